"""A tiny Llama whose matrices are stored in blocks of each kind that Octet reads as quantised, and of some that it decodes.

    python tools/golden/gguf_blocks.py     writes tests/golden/gguf/blocks.gguf and blocks.json

The model is that of gguf_models.py with a wider feed-forward part, so that rows can be cut into blocks of 32. Beside it, .json has the
CRC-32 of what the gguf package decodes each tensor to, in Hugging Face's order of rows. k's blocks of Q4_1 have minima that are whole
multiples of their scales, 0 to 15, so that they are zero points; v's have minima as quantising gives them.
"""
import json
import zlib
from pathlib import Path

import gguf
import numpy as np

import gguf_models

Q = gguf.GGMLQuantizationType
gguf_models.FFN = 64
KINDS = {"token_embd": Q.Q8_0, "attn_q": Q.Q4_0, "attn_k": Q.Q4_1, "attn_v": Q.Q4_1, "attn_output": Q.MXFP4, "ffn_gate": Q.Q4_0,
         "ffn_up": Q.Q4_0, "ffn_down": Q.Q5_0}


def with_zero_points(rows, columns, random):
    """Blocks of Q4_1 whose minimum is -z times the scale, for a z from 0 to 15; one block of zeros."""
    blocks = np.zeros((rows * columns // 32, 20), np.uint8)
    scales = random.integers(1, 100, len(blocks)) / 1024
    scales[0] = 0
    minima = -scales * (np.arange(len(blocks)) % 16)
    blocks[:, :2] = scales.astype(np.float16)[:, None].view(np.uint8)
    blocks[:, 2:4] = minima.astype(np.float16)[:, None].view(np.uint8)
    blocks[:, 4:] = random.integers(0, 256, (len(blocks), 16))
    return blocks.reshape(rows, -1)


def main():
    folder = Path(__file__).parents[2] / "tests/golden/gguf"
    random = np.random.default_rng(3)
    config = gguf_models.config_of("smollm")
    original = gguf_models.original_tensors("smollm", random)
    writer = gguf.GGUFWriter(str(folder / "blocks.gguf"), "llama")
    gguf_models.add_metadata(writer, config)
    writer.add_tokenizer_pre("smollm")
    writer.add_token_merges(["a b"])
    gguf_models.rope_of("smollm", writer, config)
    stored = gguf_models.converted("smollm", original)
    decoded = {}
    for key, value in stored.items():
        kind = KINDS.get(key.removesuffix(".weight").split(".")[-1])
        if kind is None:
            writer.add_tensor(key, value)
            decoded[key] = value
            continue
        data = with_zero_points(*value.shape, random) if "attn_k" in key else gguf.quantize(value, kind)
        writer.add_tensor(key, data, raw_dtype=kind)
        decoded[key] = gguf.dequantize(data, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    expected = {}
    names = {value: key for key, value in zip(original, stored)}  # both in the order of the model
    for key, value in decoded.items():
        name = names[key]
        for part, heads in (("q_proj", gguf_models.HEADS), ("k_proj", gguf_models.KEY_HEADS)):
            if part in name:  # the inverse of gguf_models.permute
                shape = value.shape
                value = value.reshape(heads, shape[0] // heads // 2, 2, shape[1]).swapaxes(1, 2).reshape(shape)
        expected[name] = {"shape": list(value.shape), "crc": zlib.crc32(np.ascontiguousarray(value, "<f4").tobytes())}
    (folder / "blocks.json").write_text(json.dumps({"config": config, "tensors": expected}, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
