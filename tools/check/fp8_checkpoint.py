"""Loads a checkpoint that `octet quantize --to fp8` wrote with transformers and compressed-tensors, and compares its logits with
those of the original whose weights were rounded by torch, activations in E4M3 per token.

    python tools/check/fp8_checkpoint.py ORIGINAL QUANTISED      needs torch, transformers, compressed-tensors

Exits with 1 where logits differ by more than rounding in FP32 explains. ORIGINAL is the Hugging Face directory that was quantised.
"""
import sys

import torch
from transformers import AutoModelForCausalLM

TOKENS = 64
# Inputs near a rounding boundary of E4M3 may fall to either side where two programs sum in another order.
TOLERANCE = 0.02


def round_rows(x):
    scale = x.abs().amax(-1, keepdim=True) / 448
    scale[scale == 0] = 1
    return (x / scale).clamp(-448, 448).to(torch.float8_e4m3fn).float() * scale


def main():
    original, quantised = sys.argv[1:]
    reference = AutoModelForCausalLM.from_pretrained(original, dtype=torch.float32, attn_implementation="eager")
    loaded = AutoModelForCausalLM.from_pretrained(quantised, dtype=torch.float32, attn_implementation="eager")
    kept = set(loaded.config.quantization_config.quantization_config.ignore)
    rounded = 0
    for name, module in reference.named_modules():
        if isinstance(module, torch.nn.Linear) and name not in kept:
            module.weight.data = round_rows(module.weight.data)
            module.register_forward_pre_hook(lambda _, inputs: (round_rows(inputs[0]),))
            rounded += 1
    ids = (torch.arange(TOKENS) * 7919 % reference.config.vocab_size)[None]
    with torch.no_grad():
        wanted, got = reference(ids).logits, loaded(ids).logits
    for name, tensor in loaded.state_dict().items():
        if name.endswith(".weight_scale"):
            weight = loaded.get_submodule(name.removesuffix(".weight_scale")).weight
            assert torch.equal(weight.float(), reference.get_submodule(name.removesuffix(".weight_scale")).weight), name
    error = ((got - wanted).norm() / wanted.norm()).item()
    print(f"{rounded} modules in E4M3, logits differ by {error:.2e} of their norm")
    return 1 if rounded == 0 or not error < TOLERANCE else 0


if __name__ == "__main__":
    sys.exit(main())
