"""Makes tests/golden/quantize/rounding.json: inputs with an outlier channel, weights, and what rounding both to each format leaves of their products, in
dB, by numpy in double and the number formats of ml_dtypes.

    python tools/golden/rounding.py        needs numpy and ml_dtypes
"""
import json
import pathlib

import ml_dtypes
import numpy as np

TOKENS, ROWS, WIDTH = 6, 5, 150  # a block of 16 and a group of 128 are ragged


def db(exact, rounded):
    return float(10 * np.log10((exact**2).sum() / ((exact - rounded) ** 2).sum()))


def runs(values, count, largest, rounding):
    out = values.copy().reshape(-1)
    for first in range(0, out.size, count):
        run = out[first : first + count]
        scale = np.float32(np.abs(run).max() / np.float32(largest))
        out[first : first + count] = rounding((run / scale).astype(np.float32)) * scale
    return out.reshape(values.shape)


def grouped(values, group, largest, rounding):
    return np.stack([runs(row, group, largest, rounding) for row in values])


def e4m3(x):
    return x.astype(ml_dtypes.float8_e4m3fn).astype(np.float32)


def e2m1(x):
    return np.clip(x, -6, 6).astype(ml_dtypes.float4_e2m1fn).astype(np.float32)


def nvfp4(values):
    out = values.copy()
    spread = np.float32(6 * 448 * np.float32(1 / np.abs(values).max()))
    for row in out:
        for first in range(0, WIDTH, 16):
            block = row[first : first + 16]
            scale = e4m3(np.asarray([np.abs(block).max() / np.float32(6) * spread], np.float32))[0] / spread
            row[first : first + 16] = e2m1((block / scale).astype(np.float32)) * scale
    return out


random = np.random.default_rng(5)
inputs = random.standard_normal((TOKENS, WIDTH)).astype(np.float32)
inputs[:, 37] *= 40
weights = (random.standard_normal((ROWS, WIDTH)) * 0.05).astype(np.float32)
factors = np.sqrt(np.abs(inputs).max(0) / np.abs(weights).max(0)).astype(np.float32)
ROUND = {
    "FP8 per tensor": lambda v: runs(v, v.size, 448, e4m3),
    "FP8 per token": lambda v: runs(v, WIDTH, 448, e4m3),
    "INT8 per tensor": lambda v: runs(v, v.size, 127, np.rint),
    "INT8 per token": lambda v: runs(v, WIDTH, 127, np.rint),
    "INT8 SmoothQuant": lambda v: runs(v, WIDTH, 127, np.rint),
    "NVFP4": nvfp4,
    "INT4 g128": lambda v: grouped(v, 128, 7, np.rint),
}
golden = {"width": WIDTH, "inputs": inputs.reshape(-1).tolist(), "weights": weights.reshape(-1).tolist(), "inputs_db": {}, "products_db": {}}
golden["peak"] = float(np.abs(inputs).max() / np.sqrt((inputs.astype(np.float64) ** 2).mean()))
for name, rounding in ROUND.items():
    by = factors if name == "INT8 SmoothQuant" else np.ones(WIDTH, np.float32)
    x, w = rounding(inputs / by), rounding(weights * by)
    golden["inputs_db"][name] = db(inputs.astype(np.float64), (x * by).astype(np.float64))
    exact = inputs.astype(np.float64) @ weights.astype(np.float64).T
    golden["products_db"][name] = db(exact, x.astype(np.float64) @ w.astype(np.float64).T)
out = pathlib.Path(__file__).parents[2] / "tests/golden/quantize/rounding.json"
out.write_text(json.dumps(golden) + "\n")
for key in ("inputs_db", "products_db"):
    print(key, {name: round(value, 2) for name, value in golden[key].items()})
