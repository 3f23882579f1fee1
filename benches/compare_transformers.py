#!/usr/bin/env python3
"""Times Hugging Face transformers on the question that the example `describe` asks, for a comparison in one run.

    compare_transformers.py --model DIR [--device cpu|cuda] [--dtype f32|bf16] [--cache dynamic|static] [--runs N]
                            [--new 16] [--threads 2]

Needs torch, torchvision, transformers and pillow. Prints seconds to the first token (pixels to logits), those of the
vision tower among them, tokens per second of the prompt and after it, and the peak resident memory.

Of several answers the last is timed: by default the only one on a CPU and the second on CUDA, where the first compiles and
fills caches. On CUDA clocks stop when the device is done, and what it can read a second and the peak of its memory are
printed, too. With a static cache transformers compiles the decoding step on CUDA.
"""
import argparse
import json
import pathlib
import resource
import statistics
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


def clock(device):
    """The time at which the device has done all that it was asked for."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def read_bandwidth():
    """Bytes per second that a sum over 2 GiB of bf16 numbers reads from the GPU's memory: the median of seven."""
    numbers = torch.ones(1 << 30, dtype=torch.bfloat16, device="cuda")
    seconds = []
    for _ in range(9):
        started = clock("cuda")
        numbers.sum()
        seconds.append(clock("cuda") - started)
    return numbers.numel() * numbers.element_size() / statistics.median(seconds[2:])


def bytes_per_token(model, context):
    """Bytes that one token of decoding reads: the decoder's layers, the head, and keys and values of the tokens before."""
    config, decoder = model.config.get_text_config(), model.model.language_model
    read = [*decoder.layers.parameters(), model.lm_head.weight]
    weights = sum(it.numel() * it.element_size() for it in read)
    width = config.num_key_value_heads * (config.hidden_size // config.num_attention_heads)
    return weights + config.num_hidden_layers * 2 * width * context * model.lm_head.weight.element_size()


def answer(model, tokenizer, image, args):
    """Answers the question once; times of its parts in seconds, and tokens."""
    device, tower = args.device, []
    before = model.model.visual.register_forward_pre_hook(lambda *_: tower.append(clock(device)))
    after = model.model.visual.register_forward_hook(lambda *_: tower.append(clock(device)))
    started = clock(device)
    pixels = Qwen2VLImageProcessor(size={"shortest_edge": 3136, "longest_edge": 12845056})(
        images=[image], return_tensors="pt")
    tokens = int(pixels["image_grid_thw"].prod()) // 4
    text = prompt(image.size[0]).replace("<|image_pad|>", "<|image_pad|>" * tokens)
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    stamps = Stamps()
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels["pixel_values"],
              "image_grid_thw": pixels["image_grid_thw"],
              "mm_token_type_ids": (ids == model.config.image_token_id).int()}
    cache = {"cache_implementation": "static"} if args.cache == "static" else {}
    with torch.no_grad():
        # Each stamp is taken after its token was copied to the host.
        model.generate(**{name: value.to(device) for name, value in inputs.items()}, max_new_tokens=args.new,
                       min_new_tokens=args.new, do_sample=False, streamer=stamps, **cache)
    before.remove()
    after.remove()
    # The first stamp is the echo of the prompt.
    first, last, count = stamps.times[1], stamps.times[-1], ids.shape[1]
    return {"prompt_tokens": count, "first_token_s": round(first - started, 4),
            "vision_s": round(tower[1] - tower[0], 4), "prefill_tokens_per_s": round(count / (first - tower[1]), 2),
            "tokens_per_s": round((len(stamps.times) - 2) / (last - first), 2)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--dtype", default="f32", choices=["f32", "bf16"])
    parser.add_argument("--cache", default="dynamic", choices=["dynamic", "static"])
    parser.add_argument("--runs", type=int)
    parser.add_argument("--new", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    on_gpu = args.device == "cuda"
    torch.set_num_threads(args.threads)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[args.dtype]
    started = time.perf_counter()
    model = Qwen2VLForConditionalGeneration.from_pretrained(args.model, dtype=dtype, attn_implementation="sdpa").eval()
    model = model.to(args.device)
    loaded = clock(args.device) - started
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    image = Image.open(ASSETS / "scene.png").convert("RGB")

    for _ in range((args.runs or (2 if on_gpu else 1)) - 1):
        answer(model, tokenizer, image, args)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    line = {"dtype": args.dtype, "load_s": round(loaded, 2), **answer(model, tokenizer, image, args),
            "peak_rss_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)}
    if on_gpu:
        line["device"] = torch.cuda.get_device_name()
        line["cache"] = args.cache
        line["peak_device_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
        line["bandwidth_gb_s"] = round(read_bandwidth() / 1e9, 1)
        read = bytes_per_token(model, line["prompt_tokens"] + args.new // 2) * line["tokens_per_s"]
        line["share_of_bandwidth"] = round(read / line["bandwidth_gb_s"] / 1e9, 3)
    print(json.dumps(line))


if __name__ == "__main__":
    main()
