"""Gives two heads of a decoder layer equal, random queries and keys, so that a token looks at others like itself.

    alike.py FROM TO LAYER DEVIATION KV_HEAD

Only the slowly turning half of the rotary pairs is used: `[kv_heads 2, head_dim 32, hidden 128]`, as the recipes here have.
Needs numpy and safetensors. It was tried once, between the lessons 12 and 13, and brought nothing that lasted.
"""

import shutil
import sys

import numpy as np
from safetensors.numpy import load_file, save_file

source, target, layer, deviation, kv_head = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])
shutil.rmtree(target, ignore_errors=True)
shutil.copytree(source, target)
tensors = load_file(f"{source}/model.safetensors")
slow = [*range(8, 16), *range(24, 32)]
alike = np.zeros((32, 128), np.float32)
alike[slow] = np.random.default_rng(0).normal(0, deviation, (16, 128))
# What the norm before the layer multiplies with is undone.
norm = tensors[f"model.layers.{layer}.input_layernorm.weight"]
alike /= np.where(np.abs(norm) < 0.2, 0.2, norm)
for name, heads in [("q_proj", [2 * kv_head, 2 * kv_head + 1]), ("k_proj", [kv_head])]:
    for head in heads:
        rows = slice(32 * head, 32 * head + 32)
        prefix = f"model.layers.{layer}.self_attn.{name}"
        tensors[f"{prefix}.weight"][rows] = alike
        tensors[f"{prefix}.bias"][rows] = 0
save_file(tensors, f"{target}/model.safetensors", metadata={"format": "pt"})
