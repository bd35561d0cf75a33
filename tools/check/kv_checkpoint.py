"""Loads a checkpoint that `octet quantize --kv fp8|int8` wrote with transformers and compressed-tensors: its attention modules must have the scales of the
file, of every layer and in the shape that was asked for, its logits must be those of the same weights with keys and values rounded by these scales in plain
PyTorch, and Octet's, whose scales are each token's own, must be about as near to the model without a rounded cache.

    python tools/check/kv_checkpoint.py QUANTISED [OCTET]      needs torch, transformers, compressed-tensors

Exits with 1 where they aren't, with 77 and a reason where a package is missing. OCTET is the program to compare with.
"""
import sys

try:
    import compressed_tensors  # noqa: F401
    import torch
    from safetensors.torch import load_file
    from transformers import AutoConfig, DynamicCache
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

sys.dont_write_bytecode = True  # the tree stays clean
from integer_checkpoint import difference, load_decompressed, load_model

TOKENS = 48
# A key near a boundary of its rounding may fall to either side where two programs sum in another order.
TOLERANCE = 0.02


class RoundedCache(DynamicCache):
    """Rounds what it stores, written from the format's description."""

    def __init__(self, scales, is_float, **options):
        super().__init__(**options)
        self.scales, self.is_float = scales, is_float

    def round(self, x, scale):
        codes = x / scale.float()
        codes = codes.clamp(-448, 448).to(torch.float8_e4m3fn).float() if self.is_float else codes.round().clamp(-128, 127)
        return codes * scale.float()

    def update(self, keys, values, layer, *rest, **options):
        key_scale, value_scale = self.scales[layer]
        return super().update(self.round(keys, key_scale), self.round(values, value_scale), layer, *rest, **options)


def scales_of(tensors, loaded):
    scales = []
    for index, layer in enumerate(loaded.model.layers):
        pair = [tensors[f"model.layers.{index}.self_attn.{which}_scale"] for which in "kv"]
        for which, scale in zip("kv", pair):
            got = getattr(layer.self_attn, f"{which}_scale")
            assert got.shape == scale.shape and torch.equal(got.float(), scale.float()), (index, which, got, scale)
        scales.append(pair)
    return scales


def main():
    path, *program = sys.argv[1:]
    tensors = load_file(path + "/model.safetensors")
    loaded = load_model(path)
    scales = scales_of(tensors, loaded)
    print(f"{len(scales)} layers have the scales of the file")
    weights = {name: tensor for name, tensor in tensors.items() if not name.endswith(("k_scale", "v_scale"))}
    plain = load_decompressed(path, weights)
    is_float = AutoConfig.from_pretrained(path).quantization_config["kv_cache_scheme"]["type"] == "float"
    ids = (torch.arange(TOKENS) * 7919 % plain.config.vocab_size)[None]
    with torch.no_grad():
        got, exact = loaded(ids, use_cache=True).logits, plain(ids).logits
        wanted = plain(ids, past_key_values=RoundedCache(scales, is_float), use_cache=True).logits
    error, effect = (((x - wanted).norm() / wanted.norm()).item() for x in (got, exact))
    print(f"logits differ from those of PyTorch by {error:.2e} of their norm, rounding moves them by {effect:.2e}")
    if not error < min(TOLERANCE, effect / 2):
        return 1
    if program:
        octets = difference(plain, program[0], path, ["--activations", "bf16"])
        print(f"Octet's log-probabilities are {octets:.2e} of their norm from those without a rounded cache")
        return 0 if octets < 2 * effect else 1  # other scales, and BF16 elsewhere
    return 0


if __name__ == "__main__":
    sys.exit(main())
