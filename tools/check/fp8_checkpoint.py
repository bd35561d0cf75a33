"""Loads a checkpoint that `octet quantize --to fp8`, `fp8-static` or `fp8-block` wrote with transformers and compressed-tensors: its weights must be the
codes times the scales of the file, its logits those of the same model in FP32 with these weights and with inputs rounded to E4M3 per token
(in blocks: per token and 128 inputs; static: by the file's input_scale), and those of Octet, which reads the inputs in BF16 unless told, must be the model's without that
rounding. Of `mxfp8` the weights alone are compared, and the predictions: that library rounds inputs by another rule.

    python tools/check/fp8_checkpoint.py QUANTISED [OCTET]      needs torch, transformers, compressed-tensors

Exits with 1 where they aren't, with 77 and a reason where a package is missing. OCTET is the program to compare with.
"""
import sys

try:
    import compressed_tensors  # noqa: F401
    import torch
    from safetensors.torch import load_file
    from transformers import AutoConfig
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

sys.dont_write_bytecode = True  # the tree stays clean
from integer_checkpoint import exit_code, load_model, without_quantisation

TOKENS = 64
# Inputs near a rounding boundary of E4M3 may fall to either side where two programs sum in another order.
TOLERANCE = 0.02
SCALE, INPUT_SCALE = ".weight_scale", ".input_scale"
BLOCK, MX_BLOCK = 128, 32


def round_rows(x):
    scale = x.abs().amax(-1, keepdim=True) / 448
    scale[scale == 0] = 1
    return (x / scale).clamp(-448, 448).to(torch.float8_e4m3fn).float() * scale


def round_blocks(x):
    return round_rows(x.unflatten(-1, (-1, BLOCK))).flatten(-2)


def round_static(x, scale):
    return (x / scale).clamp(-448, 448).to(torch.float8_e4m3fn).float() * scale


def in_blocks(path):
    groups = AutoConfig.from_pretrained(path).quantization_config["config_groups"]
    return groups["group_0"]["weights"]["strategy"] == "block"


def spread(scales, shape):
    """A scale for each weight: there are as many for the rows as it takes, [rows, 1] or one for each block; powers of two as E8M0."""
    if scales.dtype == torch.uint8:
        return torch.exp2(scales.float() - 127).repeat_interleave(MX_BLOCK, 1)[:, :shape[1]]
    if scales.shape == (shape[0], 1) or scales.numel() == 1:
        return scales
    return scales.repeat_interleave(BLOCK, 0).repeat_interleave(BLOCK, 1)[:shape[0], :shape[1]]


def decoded(tensors):
    """Every weight in FP32, and the names of the modules whose weights are codes."""
    modules = [name.removesuffix(SCALE) for name in tensors if name.endswith(SCALE)]
    weights = {name: tensor.float() for name, tensor in tensors.items() if not name.endswith((SCALE, INPUT_SCALE))}
    for module in modules:
        weight = weights[module + ".weight"]
        weight *= spread(tensors[module + SCALE], weight.shape).float()
    return weights, modules


def check_weights(loaded, weights, modules):
    for name in modules:
        module = loaded.get_submodule(name)
        weight = module.weight.float()
        if module.weight.dtype in (torch.float8_e4m3fn, torch.int8):  # versions that multiply when they run
            weight = weight * spread(module.weight_scale.float(), weight.shape)
        assert torch.equal(weight, weights[name + ".weight"]), name


def main():
    path, *program = sys.argv[1:]
    tensors = load_file(path + "/model.safetensors")
    weights, modules = decoded(tensors)
    is_mx = any(name.endswith(SCALE) and tensor.dtype == torch.uint8 for name, tensor in tensors.items())
    dtype = torch.bfloat16 if is_mx else torch.float32  # powers of two become BF16 there, and the weights with them
    loaded = load_model(path, dtype)
    reference = without_quantisation(path, weights)
    ids = (torch.arange(TOKENS) * 7919 % reference.config.vocab_size)[None]
    with torch.no_grad():
        got = loaded(ids).logits  # some versions decompress at the first use
        check_weights(loaded, weights, modules)
        print(f"{len(modules)} modules have the weights of the file")
        if is_mx:
            return exit_code(reference, program, path)
        dynamic = round_blocks if in_blocks(path) else round_rows
        hooks = []
        for name in modules:
            static = tensors.get(name + INPUT_SCALE)
            rounding = dynamic if static is None else lambda x, scale=static: round_static(x, scale)
            hook = lambda _, inputs, rounding=rounding: (rounding(inputs[0]),)
            hooks.append(reference.get_submodule(name).register_forward_pre_hook(hook))
        wanted = reference(ids).logits
    for hook in hooks:
        hook.remove()
    error = ((got - wanted).norm() / wanted.norm()).item()
    print(f"logits differ from those of PyTorch by {error:.2e} of their norm")
    if not modules or not error < TOLERANCE:
        return 1
    return exit_code(reference, program, path)


if __name__ == "__main__":
    sys.exit(main())
