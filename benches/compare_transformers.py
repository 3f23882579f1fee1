#!/usr/bin/env python3
"""Times Hugging Face transformers on the question that the example `describe` asks, for a comparison in one run.

    compare_transformers.py --model DIR [--dtype f32|bf16] [--new 16] [--threads 2]

Needs torch, torchvision, transformers and pillow. Prints seconds to the first token (pixels to logits), those of the
vision tower among them, tokens per second of the prompt and after it, and the peak resident memory.
"""
import argparse
import json
import pathlib
import resource
import time

import torch
from PIL import Image
from transformers import AutoTokenizer, Qwen2VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

ASSETS = pathlib.Path(__file__).parent.parent / "assets"


def prompt(side):
    """The text that `describe` writes for the bundled scene."""
    lines = []
    for number, region in enumerate(json.load(open(ASSETS / "regions.json"))["regions"], 1):
        x1, y1, x2, y2 = (int(v * 1000 / side + 0.5) for v in region["box"])
        lines.append(f"[{number}]: The information of the {region['label']} located at <|box_start|>({x1},{y1}),({x2},{y2})"
                     f"<|box_end|> in the image: {region['info']}")
    lines.append("Answer the following question based on the information above and the given image, and provide "
                 "citations for your response.")
    lines.append("Describe the image.")
    return ("<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|><|image_pad|>"
            "<|vision_end|>" + "\n".join(lines) + "<|im_end|>\n<|im_start|>assistant\n")


class Stamps:
    """Notes when each token came."""

    def __init__(self):
        self.times = []

    def put(self, _):
        self.times.append(time.perf_counter())

    def end(self):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--dtype", default="f32", choices=["f32", "bf16"])
    parser.add_argument("--new", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[args.dtype]
    started = time.perf_counter()
    model = Qwen2VLForConditionalGeneration.from_pretrained(args.model, dtype=dtype, attn_implementation="sdpa").eval()
    loaded = time.perf_counter() - started
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    image = Image.open(ASSETS / "scene.png").convert("RGB")

    tower = []
    model.model.visual.register_forward_pre_hook(lambda *_: tower.append(time.perf_counter()))
    model.model.visual.register_forward_hook(lambda *_: tower.append(time.perf_counter()))
    started = time.perf_counter()
    pixels = Qwen2VLImageProcessor(size={"shortest_edge": 3136, "longest_edge": 12845056})(
        images=[image], return_tensors="pt")
    tokens = int(pixels["image_grid_thw"].prod()) // 4
    text = prompt(image.size[0]).replace("<|image_pad|>", "<|image_pad|>" * tokens)
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    stamps = Stamps()
    with torch.no_grad():
        model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels["pixel_values"],
                       image_grid_thw=pixels["image_grid_thw"], mm_token_type_ids=(ids == 151655).int(),
                       max_new_tokens=args.new, min_new_tokens=args.new, do_sample=False, streamer=stamps)
    # The first stamp is the echo of the prompt.
    first, last = stamps.times[1], stamps.times[-1]
    print(json.dumps({
        "dtype": args.dtype, "prompt_tokens": ids.shape[1], "load_s": round(loaded, 2),
        "first_token_s": round(first - started, 2), "vision_s": round(tower[1] - tower[0], 2),
        "prefill_tokens_per_s": round(ids.shape[1] / (first - tower[1]), 2),
        "tokens_per_s": round((len(stamps.times) - 2) / (last - first), 2),
        "peak_rss_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)}))


if __name__ == "__main__":
    main()
