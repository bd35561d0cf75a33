"""A tiny Qwen2 with an outlier head: a bias makes half of the numbers of the last layer's second key head 150 times the others.

    python tools/check/outlier_head.py MODEL OUT            needs ml_dtypes, numpy, safetensors
"""
import shutil
import sys
from pathlib import Path

import ml_dtypes  # noqa: F401, BF16 for numpy
import numpy
from safetensors.numpy import load_file, save_file


def main():
    model, out = map(Path, sys.argv[1:])
    shutil.copytree(model, out)
    tensors = load_file(model / "model.safetensors")
    layers = sum(name.endswith("k_proj.bias") for name in tensors)
    bias = tensors[f"model.layers.{layers - 1}.self_attn.k_proj.bias"]
    second = numpy.arange(bias.size // 2, bias.size)
    bias[second[::4]] = 150
    bias[second[2::4]] = -150
    (out / "model.safetensors").unlink()
    save_file(tensors, out / "model.safetensors", {"format": "pt"})


if __name__ == "__main__":
    main()
