"""Makes tests/golden/quantize/calibrated.json: what calibrated recipes make of a small matrix, computed in double.

    python tools/golden/calibrated.py            needs torch

A matrix of 12 x 48 weights and 40 inputs of it, of which one is always zero, one constant and one an outlier. From the second
moments H = X^T X: the factor of GPTQ (Frantar et al. 2022, algorithm 1: the upper Cholesky factor of the inverse of H with a hundredth of its mean
diagonal added), in the file's order of inputs and by their size; INT4 in groups of 32, the last of 16, and NVFP4, with scales of least
squared error weighed by the diagonal of H, rounded to nearest and with compensation; MXFP8 with compensation, the mean of H's diagonal added
whole; INT8 and E4M3 with a scale a row and compensation. The scales stay what they were before
compensation (static groups), so that any order of inputs leaves groups where they are.
"""

import json
import pathlib

import torch

ROWS, COLUMNS, TOKENS, GROUP, BLOCK, MX_BLOCK = 12, 48, 40, 32, 16, 32
ENDS = [-8, -7.75, -7.5, -7.25, -7, -6.75, -6.5, -6.25, -6, 7, 6.75, 6.5, 6.25, 6,
        -8.5, -9, -9.5, -10, -10.5, -11, -12, -13, 7.5, 8, 8.5, 9, 9.5, 10, 11]  # and those that clip the largest weight
CLIPPED_STEPS = 4  # of E4M3, below the smallest scale of a block that clips nothing
DAMPING, MX_DAMPING = 0.01, 1


def factor(moments, by_size, damping=DAMPING):
    order = torch.argsort(moments.diagonal(), descending=True, stable=True) if by_size else torch.arange(len(moments))
    damped = moments[order][:, order] + damping * moments.diagonal().mean() * torch.eye(len(moments), dtype=torch.float64)
    return order, torch.linalg.cholesky(torch.linalg.inv(damped), upper=True)


def compensated(weights, order, upper, rounding):
    """Rounds one input of all rows after the other; rounding(column, values)."""
    left, out = weights.clone()[:, order], torch.zeros_like(weights)
    for k, column in enumerate(order.tolist()):
        out[:, column] = rounding(column, left[:, k])
        error = (left[:, k] - out[:, column]) / upper[k, k]
        left[:, k + 1 :] -= error[:, None] * upper[k, k + 1 :]
    return out


def search(group, squares, candidates, rounded):
    """Of each row the first candidate with the least weighed error."""
    best, least = candidates[0].clone(), torch.full_like(candidates[0], float("inf"))
    for scale in candidates:
        noise = ((group - rounded(group / scale[:, None]) * scale[:, None]) ** 2 * squares).sum(1)
        best, least = torch.where(noise < least, scale, best), torch.minimum(noise, least)
    return best


def int4_code(x):
    return x.clamp(-8, 7).round()


def int4_scales(weights, squares):
    scales = []
    for group, weighed in zip(weights.split(GROUP, 1), squares.split(GROUP)):
        largest = group.gather(1, group.abs().argmax(1, keepdim=True))[:, 0]
        candidates = [(largest.float() / end).bfloat16().double() for end in ENDS]
        scales.append(search(group, weighed, [torch.where(c == 0, 1.0, c) for c in candidates], int4_code))
    return torch.stack(scales, 1)


def e2m1(x):
    size = x.abs().clamp(max=6)
    step = torch.where(size < 2, 0.5, torch.where(size < 4, 1.0, 2.0)).double()
    return (size / step).round() * step * x.sign()


def nvfp4_scales(weights, squares, global_scale):
    """E4M3 codes; multiplied by 1 / global_scale they scale a block."""
    codes = []
    for block, weighed in zip(weights.split(BLOCK, 1), squares.split(BLOCK)):
        smallest = (block.abs().amax(1) / 6 * global_scale).float().to(torch.float8_e4m3fn).view(torch.uint8).int().clamp(min=1)
        best, least = smallest.clone(), torch.full((len(block),), float("inf"), dtype=torch.float64)
        for step in (*range(8), *range(-1, -CLIPPED_STEPS - 1, -1)):
            code = (smallest + step).clamp(min=1, max=0x7E)
            scale = code.to(torch.uint8).view(torch.float8_e4m3fn).double() / global_scale
            noise = ((block - e2m1(block / scale[:, None]) * scale[:, None]) ** 2 * weighed).sum(1)
            best, least = torch.where(noise < least, code, best), torch.minimum(noise, least)
        codes.append(best)
    return torch.stack(codes, 1)


def e4m3(x):
    return x.float().clamp(-448, 448).to(torch.float8_e4m3fn)


def mx_scales(weights):
    """Powers of two of the blocks, none of which saturates; 2^-127 for a block of zeros."""
    amax = torch.stack([block.abs().amax(1) for block in weights.split(MX_BLOCK, 1)], 1)
    mantissa, exponent = torch.frexp(amax / 448)
    exponent = torch.where(mantissa == 0.5, exponent - 1, exponent)
    return torch.where(amax == 0, 2.0**-127, torch.exp2(exponent.double())).repeat_interleave(MX_BLOCK, 1)[:, :COLUMNS]


def int8_scales(weights):
    """Of rows, as BF16 holds them; 1 for a row of zeros."""
    scales = (weights.abs().amax(1).float() / 127).bfloat16().double()
    return torch.where(scales == 0, 1.0, scales)[:, None]


def e4m3_scales(weights):
    """Of rows: the one of least squared error in the octave above the smallest that clips nothing; 1 for zeros."""
    scales = []
    for row in weights.float():
        smallest = row.abs().max() / 448
        steps = [smallest * torch.tensor(2 ** (step / 8)).float() for step in range(8)]
        noise = [((row - e4m3(row / scale).float() * scale).double() ** 2).sum() for scale in steps]
        scales.append(steps[int(torch.tensor(noise).argmin())] if smallest > 0 else torch.tensor(1.0))
    return torch.stack(scales).double()[:, None]


def main():
    generator = torch.Generator().manual_seed(5)
    weights = (torch.randn(ROWS, COLUMNS, generator=generator) * 256).round().double() / 256
    mixing = torch.randn(COLUMNS, COLUMNS, generator=generator) * 0.4 + torch.eye(COLUMNS)
    inputs = (torch.randn(TOKENS, COLUMNS, generator=generator) @ mixing * 8).round().double() / 8
    inputs[:, 7] = 0
    inputs[:, 20] = 0.5
    inputs[:, 33] *= 32
    weights[4] = 0
    moments = inputs.T @ inputs
    squares = moments.diagonal() / TOKENS
    golden = {"rows": ROWS, "columns": COLUMNS, "weights": weights.flatten().tolist(), "inputs": inputs.flatten().tolist()}
    int4 = int4_scales(weights, squares)
    spread = int4.repeat_interleave(GROUP, 1)[:, :COLUMNS]
    golden["int4_scales"] = int4.flatten().tolist()
    golden["int4_codes"] = int4_code(weights / spread).int().flatten().tolist()
    global_scale = 6 * 448 * (1 / weights.abs().max().float()).double()
    nvfp4 = nvfp4_scales(weights, squares, global_scale)
    blocks = (nvfp4.to(torch.uint8).view(torch.float8_e4m3fn).double() / global_scale).repeat_interleave(BLOCK, 1)
    golden["nvfp4_scales"] = nvfp4.flatten().tolist()
    golden["nvfp4_values"] = e2m1(weights / blocks).flatten().tolist()
    powers = mx_scales(weights)
    of_int8, of_e4m3 = int8_scales(weights), e4m3_scales(weights)
    int8_code = lambda x: x.round().clamp(-127, 127)
    for by_size in (False, True):
        name = "by_size" if by_size else "in_order"
        order, upper = factor(moments, by_size)
        q = compensated(weights, order, upper, lambda c, x: int4_code(x / spread[:, c]) * spread[:, c])
        n = compensated(weights, order, upper, lambda c, x: e2m1(x / blocks[:, c]) * blocks[:, c])
        mx_order, mx_upper = factor(moments, by_size, MX_DAMPING)
        m = compensated(weights, mx_order, mx_upper, lambda c, x: e4m3(x / powers[:, c]).double() * powers[:, c])
        i = compensated(weights, order, upper, lambda c, x: int8_code(x / of_int8[:, 0]) * of_int8[:, 0])
        e = compensated(weights, order, upper, lambda c, x: e4m3(x / of_e4m3[:, 0]).double() * of_e4m3[:, 0])
        golden[name] = {"order": order.tolist(), "upper": upper.triu().float().flatten().tolist(),
                        "int4_codes": (q / spread).round().int().flatten().tolist(),
                        "nvfp4_values": e2m1(n / blocks).flatten().tolist(),
                        "mxfp8_codes": e4m3(m / powers).view(torch.uint8).flatten().tolist(),
                        "int8_codes": int8_code(i / of_int8).int().flatten().tolist(),
                        "fp8_codes": e4m3(e / of_e4m3).view(torch.uint8).flatten().tolist()}
    path = pathlib.Path(__file__).parents[2] / "tests/golden/quantize/calibrated.json"
    path.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
