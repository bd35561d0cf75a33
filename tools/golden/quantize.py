"""Goldens of the quantisation recipes, computed by torch.

    python tools/golden/quantize.py     writes tests/golden/quantize/fp8_rows.json

Per-channel FP8 as compressed-tensors' FP8_DYNAMIC preset stores it: code = E4M3(weight / scale). The scale is the one of least squared
error among amax / 448 * 2^(i / 8), i = 0 .. 7.
"""
import json
import pathlib

import torch


ROWS, COLUMNS = 24, 40


def encode(weights, scales):
    return (weights / scales).clamp(-448, 448).to(torch.float8_e4m3fn)


def least_squares_scales(weights):
    smallest = weights.abs().amax(1, keepdim=True) / 448
    scales, least = smallest.clone(), torch.full_like(smallest, float("inf"), dtype=torch.float64)
    for step in range(8):
        candidates = smallest * torch.tensor(2 ** (step / 8), dtype=torch.float64).float()
        change = weights - encode(weights, candidates).float() * candidates
        noise = (change.double() ** 2).sum(1, keepdim=True)
        scales = torch.where(noise < least, candidates, scales)
        least = torch.minimum(noise, least)
    scales[smallest == 0] = 1
    return scales


def main():
    generator = torch.Generator().manual_seed(11)
    weights = torch.randn(ROWS, COLUMNS, generator=generator)
    weights *= torch.logspace(-6, 5, ROWS)[:, None]  # every row needs a scale of its own
    weights[2] = 0  # nothing to scale
    weights[5, 3] = weights[5].abs().max() * 1e4  # an outlier pushes the rest into E4M3's subnormals
    weights[7, 1:] = 0
    scales = least_squares_scales(weights)
    codes = encode(weights, scales)
    path = pathlib.Path(__file__).parents[2] / "tests/golden/quantize/fp8_rows.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    golden = {"weights": weights.tolist(), "scales": scales[:, 0].tolist(), "codes": codes.view(torch.uint8).tolist()}
    path.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
