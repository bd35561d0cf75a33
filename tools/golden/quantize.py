"""Goldens of the quantisation recipes, computed by torch.

    python tools/golden/quantize.py     writes tests/golden/quantize/fp8_rows.json

Per-channel FP8 as compressed-tensors' FP8_DYNAMIC preset defines it: scale = amax / 448, code = E4M3(weight / scale).
"""
import json
import pathlib

import torch


ROWS, COLUMNS = 24, 40


def main():
    generator = torch.Generator().manual_seed(11)
    weights = torch.randn(ROWS, COLUMNS, generator=generator)
    weights *= torch.logspace(-6, 5, ROWS)[:, None]  # every row needs a scale of its own
    weights[2] = 0  # nothing to scale
    weights[5, 3] = weights[5].abs().max() * 1e4  # an outlier pushes the rest into E4M3's subnormals
    weights[7, 1:] = 0
    scales = weights.abs().amax(1, keepdim=True) / 448
    scales[scales == 0] = 1
    codes = (weights / scales).clamp(-448, 448).to(torch.float8_e4m3fn)
    path = pathlib.Path(__file__).parents[2] / "tests/golden/quantize/fp8_rows.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    golden = {"weights": weights.tolist(), "scales": scales[:, 0].tolist(), "codes": codes.view(torch.uint8).tolist()}
    path.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
