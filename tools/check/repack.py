"""Packs INT4 as other programs do, from a checkpoint that Octet wrote with `--to int4`: the same weights in another layout.

    python tools/check/repack.py INT4 awq|gptq|gptq_v2|modelopt OUTPUT      needs numpy, ml_dtypes, safetensors

Octet's predictions for OUTPUT must be those for INT4, bit for bit. Exits with 77 and a reason where a package is missing.
"""
import json
import pathlib
import shutil
import sys

try:
    import ml_dtypes  # noqa: F401, BF16 for safetensors
    import numpy as np
    from safetensors.numpy import load_file, save_file
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]


def words(codes):
    """[lines, codes] of 4 bits, eight a word."""
    return (codes.astype(np.uint32).reshape(len(codes), -1, 8) << np.arange(0, 32, 4, dtype=np.uint32)).sum(-1).astype(np.uint32).view(np.int32)


def unpack(packed, shape):
    codes = (packed.view(np.uint32)[..., None] >> np.arange(0, 32, 4, dtype=np.uint32)) & 15
    return codes.reshape(len(packed), -1)[:, :shape[1]]


def awq(codes, scales):
    mixed = lambda table: words(table.reshape(len(table), -1, 8)[..., AWQ_ORDER].reshape(len(table), -1))
    return {"qweight": mixed(codes.T), "qzeros": mixed(np.full(scales.T.shape, 8)), "scales": scales.T}


def gptq(codes, scales, stored_zero):
    group = codes.shape[1] // scales.shape[1]
    return {"qweight": words(codes).T, "qzeros": words(np.full(scales.T.shape, stored_zero)), "scales": scales.T,
            "g_idx": (np.arange(codes.shape[1]) // group).astype(np.int32)}


def modelopt(codes, scales):
    nibbles = ((codes.astype(np.int64) - 8) & 15).astype(np.uint8)
    return {"weight": nibbles[0::2] | nibbles[1::2] << 4, "weight_scale": scales}


PACKERS = {"awq": awq, "modelopt": modelopt, "gptq": lambda *parts: gptq(*parts, 7), "gptq_v2": lambda *parts: gptq(*parts, 8)}


def config_of(dialect, group):
    if dialect == "modelopt":
        return {"quant_method": "modelopt", "quant_algo": "W4A16_AWQ", "ignore": ["lm_head"], "config_groups": {
            "group_0": {"weights": {"dynamic": False, "num_bits": 4, "type": "int", "group_size": group}, "targets": ["Linear"]}}}
    if dialect == "awq":
        return {"quant_method": "awq", "bits": 4, "group_size": group, "zero_point": True, "version": "gemm"}
    return {"quant_method": "gptq", "bits": 4, "group_size": group, "sym": True, "desc_act": False, "checkpoint_format": dialect}


def main():
    source, dialect, output = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
    tensors = load_file(source / "model.safetensors")
    group = json.loads((source / "quantization_report.json").read_text())["group"]
    for module in [name.removesuffix(".weight_packed") for name in tensors if name.endswith(".weight_packed")]:
        codes = unpack(tensors.pop(module + ".weight_packed"), tensors.pop(module + ".weight_shape"))
        scales = tensors.pop(module + ".weight_scale").astype(np.float32)
        if dialect != "modelopt" and np.array_equal(scales.astype(np.float16).astype(np.float32), scales):
            scales = scales.astype(np.float16)
        tensors.update({f"{module}.{part}": value for part, value in PACKERS[dialect](codes, scales).items()})
    output.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, output / "model.safetensors", {"format": "pt"})
    config = json.loads((source / "config.json").read_text()) | {"quantization_config": config_of(dialect, group)}
    (output / "config.json").write_text(json.dumps(config, indent=2))
    for name in ("generation_config.json", "tokenizer.json", "tokenizer_config.json"):
        if (source / name).exists():
            shutil.copy(source / name, output / name)


if __name__ == "__main__":
    main()
