"""Goldens of src/numeric: codes by ml_dtypes and numpy, GGUF blocks by the gguf package.

    python tools/golden/numeric.py tests/golden/numeric

codes.json holds, per format, runs of equal codes over all 65536 BF16 inputs (clamped to the format's range, NaN left out)
as [first input, code] pairs, and FP16 and overflow rows apart. blocks.bin holds, per GGUF type, blocks and their floats.
"""
import json
import struct
import sys
import zlib
from pathlib import Path

import gguf
import ml_dtypes
import numpy as np

LARGEST = {"fp16": 65504.0, "e4m3": 448.0, "e5m2": 57344.0, "e2m1": 6.0}
TYPES = {"fp16": np.float16, "e4m3": ml_dtypes.float8_e4m3fn, "e5m2": ml_dtypes.float8_e5m2, "e2m1": ml_dtypes.float4_e2m1fn}


def bits(array):
    return array.view(np.uint8 if array.dtype.itemsize == 1 else np.uint16)


def crc(array):
    return zlib.crc32(np.ascontiguousarray(array).tobytes())


def bf16_inputs():
    codes = np.arange(65536, dtype=np.uint32)
    values = (codes << 16).view(np.float32)
    return codes, values


def code_tables():
    codes, values = bf16_inputs()
    finite = np.isfinite(values)
    tables = {}
    for name, dtype in TYPES.items():
        clamped = np.clip(values[finite], -LARGEST[name], LARGEST[name])
        got = bits(clamped.astype(dtype))
        first = np.concatenate([[True], got[1:] != got[:-1]])
        runs = np.stack([codes[finite][first], got[first]], 1)
        tables[name] = {"crc_of_codes": crc(got), "runs": runs.tolist() if len(runs) < 700 else []}
    return tables


def fine_inputs():
    """Floats around every midpoint between two codes, where rounding decides: below, at, above."""
    tables = {}
    for name, dtype in {**TYPES, "bf16": ml_dtypes.bfloat16}.items():
        count = {1: 256, 2: 65536}[np.dtype(dtype).itemsize]
        if name == "e2m1":
            count = 16
        codes = np.arange(count, dtype=np.uint16 if count == 65536 else np.uint8).view(dtype)
        values = np.unique(codes.astype(np.float64)[np.isfinite(codes.astype(np.float64))])
        middle = ((values[1:] + values[:-1]) / 2).astype(np.float32)
        inputs = np.concatenate([np.nextafter(middle, -np.inf), middle, np.nextafter(middle, np.inf)]).astype(np.float32)
        tables[name] = {"inputs": len(inputs), "crc_of_inputs": crc(inputs), "crc_of_codes": crc(bits(inputs.astype(dtype)))}
    return tables


def decode_tables():
    tables = {}
    for name, dtype in {**TYPES, "bf16": ml_dtypes.bfloat16, "e8m0": ml_dtypes.float8_e8m0fnu}.items():
        size = 65536 if np.dtype(dtype).itemsize == 2 else 256
        codes = np.arange(16 if name == "e2m1" else size, dtype=np.uint16 if size == 65536 else np.uint8).view(dtype)
        values = codes.astype(np.float32)
        tables[name] = crc(values.view(np.uint32)[~np.isnan(values)])
    return tables


def e8m0_codes():
    """Normal positive floats only: what ml_dtypes does below 2^-126 and above 2^127 is not rounding to nearest."""
    _, values = bf16_inputs()
    values = values[(values >= 2.0**-126) & (values <= 2.0**127)]
    return crc(bits(values.astype(ml_dtypes.float8_e8m0fnu)))


def blocks(path):
    names = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "MXFP4"]
    random = np.random.default_rng(7)
    with open(path, "wb") as out:
        for name in names:
            kind = gguf.GGMLQuantizationType[name]
            values, size = gguf.GGML_QUANT_SIZES[kind]
            count = 24 if values == 32 else 6
            data = random.integers(0, 256, (count, size), dtype=np.uint8)
            data[0], data[1], data[2] = 0, 255, 0x7B  # 0xFFFF is a NaN scale, 0x7B7B a large one
            decoded = np.concatenate([gguf.dequantize(row, kind) for row in data])
            out.write(struct.pack("<III", count, size, values) + data.tobytes() + decoded.astype("<f4").tobytes())


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    content = {"codes": code_tables(), "fine": fine_inputs(), "decode": decode_tables(), "e8m0_crc_of_codes": e8m0_codes()}
    (out / "codes.json").write_text(json.dumps(content, separators=(",", ":")) + "\n")
    with np.errstate(all="ignore"):
        blocks(out / "blocks.bin")


main()
