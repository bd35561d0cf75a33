"""Makes tests/golden/quantize/observers.json: the ranges that static E4M3 scales should hold by each observer, from all values at once.

    python tools/golden/observers.py            needs numpy, torch

Four sets of 100,003 values, made by a rule that the test repeats (`make`): bell-shaped, the same with outliers, half of it zeros, and with a long tail.
`percentile` is numpy's over the magnitudes, method `inverted_cdf`; `mse` the mean squared errors of 1, 0.99 .. 0.2 times the largest magnitude as range, over the
values themselves; `entropy` the threshold of Migacz, "8-bit inference with TensorRT", GTC 2017, over 2048 bins of a width that is a power of two, with E4M3's codes in place
of 128 steps.
"""

import json
import pathlib

import numpy as np
import torch

COUNT, BINS, FEWEST = 100_003, 2048, 128
PERCENTS = [99.0, 99.9, 99.99, 100.0]


def make(name):
    state = np.uint64(12345)
    words = np.empty(4 * COUNT, dtype=np.float64)
    for i in range(words.size):  # Knuth's MMIX
        state = np.uint64((int(state) * 6364136223846793005 + 1442695040888963407) % 2**64)
        words[i] = float(int(state) >> 40) * 2.0**-24
    u = words.reshape(COUNT, 4)
    x = u.sum(1) - 2
    if name == "outliers":
        x[::997] *= 20
    if name == "zeros":
        x = np.maximum(x, 0)
    if name == "tail":
        x = (u[:, 0] - 0.5) / (u[:, 1] + 0.001)
    return x.astype(np.float32)


def e4m3(x):
    return x.clamp(-448, 448).to(torch.float8_e4m3fn)


def squared_errors(x):
    x, amax = torch.from_numpy(x), float(np.abs(x).max())
    errors = []
    for percent in range(100, 19, -1):
        scale = torch.tensor(amax) * torch.tensor(float(percent)) / 100 / 448
        errors.append(((x.double() - (e4m3(x / scale).float() * scale).double()) ** 2).mean().item())
    return errors


def entropy(x):
    magnitudes = np.abs(x).astype(np.float64)
    width = 2.0 ** np.ceil(np.log2(magnitudes.max())) / BINS
    assert magnitudes.max() < width * BINS
    counts, _ = np.histogram(magnitudes, bins=BINS, range=(0, width * BINS))
    counts = np.trim_zeros(counts, "b").astype(np.float64)
    best, least = len(counts), np.inf
    for used in range(len(counts), FEWEST - 1, -1):
        own = counts[:used]
        p = own.copy()
        p[-1] += counts[used:].sum()
        centres = (torch.arange(used, dtype=torch.float32) + 0.5) / used * 448
        code = e4m3(centres).view(torch.uint8).numpy()
        sums = np.bincount(code, weights=own, minlength=256)
        filled = np.bincount(code, weights=own > 0, minlength=256)
        q = np.where(own > 0, sums[code] / np.maximum(filled[code], 1), 0)
        p, q = p / p.sum(), q / q.sum()
        if (q[p > 0] == 0).any():
            continue
        divergence = (p[p > 0] * np.log(p[p > 0] / q[p > 0])).sum()
        if divergence < least:
            best, least = used, divergence
    amax = magnitudes.max()
    return amax if best == len(counts) else min((best + 0.5) * width, amax)


def main():
    golden = {}
    for name in ("bell", "outliers", "zeros", "tail"):
        x = make(name)
        magnitudes = np.abs(x)
        golden[name] = {"amax": float(magnitudes.max()), "entropy": entropy(x), "mse": squared_errors(x),
                        "percentile": {str(p): float(np.percentile(magnitudes, p, method="inverted_cdf")) for p in PERCENTS}}
        print(name, golden[name]["amax"], golden[name]["entropy"], 100 - int(np.argmin(golden[name]["mse"])), golden[name]["percentile"])
    path = pathlib.Path(__file__).parents[2] / "tests/golden/quantize/observers.json"
    path.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
