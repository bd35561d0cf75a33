"""Holds Octet's negative log-likelihood with rounded inputs against PyTorch's, which emulates the same recipe: weights are what the file's
codes stand for, the inputs of each quantised module are rounded as the recipe says, all else is FP32.

    python tools/check/emulated_nll.py QUANTISED TEXT OCTET [WINDOWS]      needs torch, transformers; QUANTISED is fp8, fp8-static, mxfp8 or
                                                                          int8-smoothquant

Windows of 512 tokens, every position but the first. Exits with 1 where the two differ by more than 0.005 nats, with 77 and a reason where a
package is missing.
"""
import json
import pathlib
import subprocess
import sys

try:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoModelForCausalLM
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

WINDOW, LIMIT = 512, 0.005


def e4m3(x):
    return x.clamp(-448, 448).to(torch.float8_e4m3fn).float()


def round_int8(x):
    scale = x.abs().amax(-1, keepdim=True) / 127
    scale[scale == 0] = 1
    return (x / scale).round() * scale


def round_rows(x):
    scale = x.abs().amax(-1, keepdim=True) / 448
    scale[scale == 0] = 1
    return e4m3(x / scale) * scale


def power_above(x):
    mantissa, exponent = torch.frexp(x)  # x = mantissa * 2^exponent, mantissa from 0.5 to 1
    exponent = torch.where(mantissa == 0.5, exponent - 1, exponent)
    return torch.where(x == 0, 2.0 ** -127, torch.ldexp(torch.ones_like(x), exponent.clamp(-127, 127)))


def round_mx(x):
    blocks = torch.nn.functional.pad(x, (0, -x.shape[-1] % 32)).unflatten(-1, (-1, 32))
    scale = power_above(blocks.abs().amax(-1, keepdim=True) / 448)
    return (e4m3(blocks / scale) * scale).flatten(-2)[..., :x.shape[-1]]


def is_int8(tensors, name):
    return tensors[name + ".weight"].dtype == torch.int8


def decoded(tensors, name):
    """A module's weight, and how its inputs are rounded."""
    codes, scale = tensors[name + ".weight"].float(), tensors[name + ".weight_scale"]
    if is_int8(tensors, name):
        return codes * scale.float(), round_int8
    if scale.dtype == torch.uint8:
        return codes * torch.exp2(scale.float() - 127).repeat_interleave(32, 1)[:, :codes.shape[1]], round_mx
    static = tensors.get(name + ".input_scale")
    if static is None:
        return codes * scale.reshape(-1, 1), round_rows
    return codes * scale.reshape(-1, 1), lambda x: e4m3(x / static) * static


def emulated(path):
    tensors = load_file(pathlib.Path(path) / "model.safetensors")
    config = AutoConfig.from_pretrained(path)
    del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager").eval()
    modules = [name.removesuffix(".weight_scale") for name in tensors if name.endswith(".weight_scale")]
    state = {name: tensor.float() for name, tensor in tensors.items() if name in model.state_dict()}
    for name in modules:
        state[name + ".weight"], rounding = decoded(tensors, name)
        model.get_submodule(name).register_forward_pre_hook(lambda module, inputs, rounding=rounding: (rounding(inputs[0]),))
    missing, unknown = model.load_state_dict(state, strict=False)
    assert not unknown and set(missing) <= {"lm_head.weight"}, (missing, unknown)
    model.tie_weights()
    return model, "int8" if is_int8(tensors, modules[0]) else "fp8"


def run(octet, *words):
    return json.loads(subprocess.run([octet, *words, "--json"], capture_output=True, text=True, check=True).stdout)


@torch.no_grad()
def main():
    path, text, octet = sys.argv[1:4]
    windows = int((sys.argv[4:] or [20])[0])
    ids = run(octet, "tokenize", path, "--text", text, "--no-special")["ids"]
    (model, activations), losses = emulated(path), []
    for first in range(0, windows * WINDOW, WINDOW):
        window = torch.tensor([ids[first:first + WINDOW]])
        losses.append(torch.nn.functional.cross_entropy(model(window).logits[0, :-1], window[0, 1:]).item())
    want = sum(losses) / len(losses)
    got = run(octet, "eval", "perplexity", path, "--text", text, "--score-from", "1", "--chunks", str(windows), "--activations", activations)["nll"]
    print(f"Octet {got:.6f}, PyTorch {want:.6f}: they differ by {abs(got - want):.6f} nats")
    sys.exit(0 if abs(got - want) <= LIMIT else 1)


if __name__ == "__main__":
    main()
