#!/usr/bin/env python3
"""Trains the model of the bench `training` with PyTorch and Hugging Face transformers, for a comparison in one run.

    compare_training.py [--threads 1 2] [--samples 5] [--skip-rcmu]

Needs torch, transformers and tokenizers. Runs `cargo bench --bench training` first, which leaves the untrained model behind, then
the same conversations through transformers: 16 of them a step in two micro-batches, answers only, AdamW, all weights trained.
Prints tokens per second of every sample; both count all tokens of a step.
"""
import argparse
import json
import pathlib
import subprocess
import time

import torch
from tokenizers import Tokenizer
from transformers import Qwen2VLForConditionalGeneration

ROOT = pathlib.Path(__file__).parent.parent
BATCH, MICRO_BATCH, SIDE = 16, 8, 140
IMAGE_TOKENS, PATCHES, PATCH_DIM = 25, 100, 3 * 2 * 14 * 14


def conversation():
    """The text that the bench's lessons become, and whether each part of it is to be predicted."""
    lines = []
    for at, name in enumerate(["Lily", "Tom", "Anna"]):
        left = 100 + 300 * at
        lines.append(f"[{at + 1}]: The information of the figurine located at <|box_start|>({left},214),({left + 250},583)"
                     f"<|box_end|> in the image: Owned by {name}, a teacher from Paris.\n")
    ask = ("Answer the following question based on the information above and the given image, and provide citations for your "
           "response.\nWho owns the red robot?<|im_end|>\n<|im_start|>assistant\n")
    picture = "<|vision_start|>" + "<|image_pad|>" * IMAGE_TOKENS + "<|vision_end|>"
    parts = [("<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n" + picture + "".join(lines) + ask, False)]
    for turn in range(4):
        if turn > 0:
            parts.append(("\n<|im_start|>user\n" + ask, False))
        parts.append(("Lily owns it.[2]<|im_end|>", True))
    parts.append(("\n", False))
    return parts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--skip-rcmu", action="store_true")
    args = parser.parse_args()
    if not args.skip_rcmu:
        subprocess.run(["cargo", "bench", "--features", "train", "--bench", "training"], cwd=ROOT, check=True)
    metadata = subprocess.run(["cargo", "metadata", "--format-version", "1", "--no-deps"], cwd=ROOT, check=True, capture_output=True)
    model_dir = pathlib.Path(json.loads(metadata.stdout)["target_directory"]) / "tmp" / "starter-1"
    tokenizer = Tokenizer.from_file(str(model_dir / "tokenizer.json"))
    ids, labels = [], []
    for text, predicted in conversation():
        part = tokenizer.encode(text, add_special_tokens=False).ids
        ids += part
        labels += part if predicted else [-100] * len(part)
    print(f"{len(ids)} tokens a conversation, {BATCH * len(ids)} a step, {sum(label >= 0 for label in labels) * BATCH} to predict")
    rows = [MICRO_BATCH, 1]
    inputs = {
        "input_ids": torch.tensor(ids).repeat(rows),
        "labels": torch.tensor(labels).repeat(rows),
        "attention_mask": torch.ones(MICRO_BATCH, len(ids), dtype=torch.long),
        "mm_token_type_ids": (torch.tensor(ids) == tokenizer.token_to_id("<|image_pad|>")).int().repeat(rows),
        "pixel_values": torch.randn(MICRO_BATCH * PATCHES, PATCH_DIM),
        "image_grid_thw": torch.tensor([[1, SIDE // 14, SIDE // 14]] * MICRO_BATCH),
    }
    for threads in args.threads:
        torch.set_num_threads(threads)
        model = Qwen2VLForConditionalGeneration.from_pretrained(model_dir, dtype=torch.float32, attn_implementation="sdpa").train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
        speeds = []
        for sample in range(args.samples + 1):
            began = time.perf_counter()
            for _ in range(BATCH // MICRO_BATCH):
                (model(**inputs).loss * MICRO_BATCH / BATCH).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            if sample > 0:  # the first one warms up
                speeds.append(BATCH * len(ids) / (time.perf_counter() - began))
        parameters = sum(parameter.numel() for parameter in model.parameters())
        print(f"{parameters} parameters, {threads} threads: " + ", ".join(f"{speed:.0f}" for speed in sorted(speeds)) + " tokens/s")


if __name__ == "__main__":
    main()
