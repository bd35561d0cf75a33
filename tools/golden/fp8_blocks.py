"""Makes tests/golden/kernels/fp8_blocks.json: products of E4M3 weights in blocks of 128 x 128, by PyTorch.

    python tools/golden/fp8_blocks.py             needs torch

weights are code (in hexadecimal) * scale of (row / 128, column / 128), the last blocks of both axes short. Inputs are rounded to BF16, or to E4M3 with a
scale amax / 448 for each row and 128 inputs; `scales` and `rounded` are those in FP32. Products are sums in float64: `bf16` and `fp8`
[rows, columns], `fp8_magnitudes` and `bf16_magnitudes` the same of absolute values, which bound what rounding may do.
"""

import json
from pathlib import Path

import torch

ROWS, COLUMNS, DEPTH, BLOCK = 6, 131, 140, 128
OUT = Path(__file__).resolve().parents[2] / "tests/golden/kernels/fp8_blocks.json"


def blocks(values):
    """[rows, depth] as [rows, blocks, 128], zeros behind the depth."""
    padding = -values.shape[1] % BLOCK
    return torch.nn.functional.pad(values, (0, padding)).unflatten(1, (-1, BLOCK))


def spread(scales):
    """A number for each weight from one for each block."""
    return scales.repeat_interleave(BLOCK, 0).repeat_interleave(BLOCK, 1)[:COLUMNS, :DEPTH]


def round_inputs(x):
    split = blocks(x)
    scales = split.abs().amax(-1) / 448
    scales[scales < torch.finfo(torch.float32).tiny] = 1
    codes = (split / scales[..., None]).to(torch.float8_e4m3fn).float()
    rounded = (codes.double() * scales[..., None].double()).flatten(1)[:, :DEPTH]
    return scales, rounded


def main():
    generator = torch.Generator().manual_seed(7)
    weights = torch.randn(COLUMNS, DEPTH, generator=generator)
    weights[3, 135] = 40  # spoils its block alone
    grid = torch.nn.functional.pad(weights, (0, -DEPTH % BLOCK, 0, -COLUMNS % BLOCK))
    grid = grid.unflatten(1, (-1, BLOCK)).unflatten(0, (-1, BLOCK))
    weight_scales = grid.abs().amax((1, 3)) / 448
    codes = (weights / spread(weight_scales)).to(torch.float8_e4m3fn)
    exact = codes.double() * spread(weight_scales).double()
    x = torch.randn(ROWS, DEPTH, generator=generator)
    x[2, 130] = 300  # so does an outlier
    x[4] = 0
    x[5, 128:] = 1e-42
    scales, rounded = round_inputs(x)
    short = x.bfloat16().double()
    golden = {
        "x": x.tolist(), "codes": [row.numpy().tobytes().hex() for row in codes.view(torch.uint8)], "weight_scales": weight_scales.tolist(),
        "scales": scales.tolist(), "rounded": rounded.float().tolist(),
        "bf16": (short @ exact.T).tolist(), "bf16_magnitudes": (short.abs() @ exact.abs().T).tolist(),
        "fp8": (rounded @ exact.T).tolist(), "fp8_magnitudes": (rounded.abs() @ exact.abs().T).tolist(),
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
