"""Files that contradict themselves: each must be refused with a message, whatever reads it.

    python tools/golden/hostile.py     writes tests/golden/hostile/
"""
import json
import pathlib
import struct

OUT = pathlib.Path(__file__).parents[2] / "tests/golden/hostile"


def safetensors(name, tensors, data, header_size=None):
    header = json.dumps(tensors).encode()
    (OUT / name).write_bytes(struct.pack("<Q", header_size or len(header)) + header + data)


def tensor(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def text(value):
    return struct.pack("<Q", len(value)) + value.encode()


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    safetensors("overlap.safetensors", {"a": tensor([4], 0, 16), "b": tensor([4], 8, 24)}, bytes(24))
    safetensors("huge_shape.safetensors", {"a": tensor([2**62, 4], 0, 16)}, bytes(16))
    safetensors("huge_offset.safetensors", {"a": tensor([4], 2**63 - 16, 2**63)}, bytes(16))
    safetensors("huge_header.safetensors", {"a": tensor([4], 0, 16)}, bytes(16), header_size=2**63 - 1)
    version = b"GGUF" + struct.pack("<I", 3)
    (OUT / "huge_tensor_count.gguf").write_bytes(version + struct.pack("<QQ", 2**63 - 1, 0))
    (OUT / "huge_key_count.gguf").write_bytes(version + struct.pack("<QQ", 0, 2**63 - 1))
    array = text("general.architecture") + struct.pack("<II", 9, 8) + struct.pack("<Q", 2**63 - 1)
    (OUT / "huge_array.gguf").write_bytes(version + struct.pack("<QQ", 0, 1) + array)


if __name__ == "__main__":
    main()
