"""Goldens of MXFP8 from numpy and ml_dtypes: a power of two for 32 neighbouring weights, rounded up, E4M3 codes.

    python tools/golden/mxfp8.py     writes tests/golden/quantize/mxfp8_rows.json

scale = 2^ceil(log2(amax / 448)), 2^-127 for zeros; code = E4M3(weight / scale), to nearest even.
"""
import json
import pathlib

import ml_dtypes
import numpy as np

ROWS, COLUMNS, BLOCK = 12, 72, 32


def exponent_above(amax):
    mantissa, exponent = np.frexp(np.float64(amax) / 448)
    return 0 if amax == 0 else int(np.clip(exponent - (mantissa == 0.5) + 127, 0, 254))


def main():
    random = np.random.default_rng(3)
    weights = (random.normal(0, 1, (ROWS, COLUMNS)) * np.logspace(-6, 5, ROWS)[:, None]).astype(np.float32)
    weights[2] = 0
    weights[5, 3] = np.abs(weights[5]).max() * 1e4
    weights[7, :32] = np.linspace(-448, 448, 32) * 2.0 ** -9
    weights[8, 5] = np.nextafter(np.float32(448), np.float32(500)) * np.float32(2.0 ** 12)
    scales, codes = [], []
    for row in weights:
        for first in range(0, COLUMNS, BLOCK):
            block = row[first:first + BLOCK]
            scales.append(exponent_above(np.abs(block).max()))
            codes += (block / np.float32(2.0 ** (scales[-1] - 127))).astype(ml_dtypes.float8_e4m3fn).view(np.uint8).tolist()
    path = pathlib.Path(__file__).parents[2] / "tests/golden/quantize/mxfp8_rows.json"
    path.write_text(json.dumps({"rows": ROWS, "columns": COLUMNS, "weights": weights.flatten().tolist(), "scales": scales, "codes": codes}) + "\n")


if __name__ == "__main__":
    main()
