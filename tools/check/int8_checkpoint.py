"""Loads a checkpoint that `octet quantize --to int8-smoothquant` wrote with transformers and compressed-tensors: its weights must be the codes times the scales of
the file, its logits those of the same model in FP32 with these weights and with inputs rounded as that library does, and Octet's predictions with INT8 activations
those of the model with inputs rounded as Octet does.

    python tools/check/int8_checkpoint.py QUANTISED OCTET      needs torch, transformers, compressed-tensors

The two round a token's inputs to other codes: amax / 127.5 and -128 to 127 there, amax / 127 and -127 to 127 here. Exits with 1 where anything differs, with 77 and a reason
where a package is missing.
"""
import sys

sys.dont_write_bytecode = True  # the tree stays clean
from fp8_checkpoint import TOKENS, TOLERANCE, check_weights, decoded
from integer_checkpoint import exit_code, load_model, without_quantisation

import torch
from safetensors.torch import load_file


def round_tokens(x, end):
    """`end` is where the largest magnitude falls."""
    scale = x.abs().amax(-1, keepdim=True) / end
    scale[scale == 0] = 1
    return (x / scale).round().clamp(-128 if end > 127 else -127, 127) * scale


def hook(model, modules, end):
    return [model.get_submodule(name).register_forward_pre_hook(lambda _, inputs: (round_tokens(inputs[0], end),)) for name in modules]


@torch.no_grad()
def main():
    path, program = sys.argv[1:]
    weights, modules = decoded(load_file(path + "/model.safetensors"))
    loaded = load_model(path)
    reference = without_quantisation(path, weights)
    ids = (torch.arange(TOKENS) * 7919 % reference.config.vocab_size)[None]
    unrounded = reference(ids).logits
    hooks = hook(reference, modules, 127.5)
    wanted, got = reference(ids).logits, loaded(ids).logits  # some versions decompress at the first use
    check_weights(loaded, weights, modules)
    print(f"{len(modules)} modules have the weights of the file")
    error, rounding = ((got - wanted).norm() / wanted.norm()).item(), ((unrounded - wanted).norm() / wanted.norm()).item()
    print(f"logits differ from those of PyTorch by {error:.2e} of their norm, rounding of inputs changes {rounding:.2e}")
    if not modules or not error < min(TOLERANCE, rounding / 2):
        return 1
    for handle in hooks:
        handle.remove()
    hook(reference, modules, 127)
    return exit_code(reference, [program], path, ("--activations", "int8"))


if __name__ == "__main__":
    sys.exit(main())
