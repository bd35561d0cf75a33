"""Makes tests/golden/quantize/outliers.json: what plain and smoothed 8- and 4-bit products cost a checkpoint with outlier channels, by PyTorch.

    python tools/golden/outliers.py            needs torch, transformers 5.23; after models.py

The checkpoint is tests/golden/models/llama3 with inputs of every matrix made uneven: of each norm's weights, of v's rows and of up's rows those in CHANNELS are
FACTOR times as large, and the columns that meet them are divided by as much. It computes what llama3 does, exactly, since FACTOR is a power of two. The error of each way
of rounding is the norm of the logits' change over the norm of the logits, both over golden.safetensors' ids: `int8` rounds weights with a BF16 scale a
row and inputs with a scale a token; `int8_smoothed` does so behind factors of SmoothQuant with alpha 0.5 (Xiao et al. 2022); `int4` rounds weights in groups of 32 with the scale of least error
of those that put the largest weight at -8 .. -6 or 6 .. 7; `int4_smoothed` does so behind factors of AWQ, the inputs' root mean square (Lin et al. 2023, alpha 1).
`even_int8` and `even_int4` are those of llama3 itself. v's channels are shared by the query heads of a group, and so are the factors.
"""

import json
import sys
from pathlib import Path

sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).resolve().parent]

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM

GOLDEN = Path(__file__).resolve().parents[2] / "tests/golden"
CHANNELS, FACTOR, GROUP = [5, 17, 30], 64.0, 32
ENDS = [-8, -7.75, -7.5, -7.25, -7, -6.75, -6.5, -6.25, -6, 7, 6.75, 6.5, 6.25, 6]


def load():
    fields = json.loads((GOLDEN / "models/llama3/config.json").read_text())
    config = AutoConfig.for_model(fields.pop("model_type"), **fields)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    model.load_state_dict({key: value.float() for key, value in load_file(GOLDEN / "models/llama3/model.safetensors").items()}, strict=False)
    return model


def origins(model):
    """Which of v's rows each input of the attention's output comes from."""
    heads, shared, dim = model.config.num_attention_heads, model.config.num_key_value_heads, model.config.head_dim
    return torch.tensor([head // (heads // shared) * dim + i for head in range(heads) for i in range(dim)])


def places(model):
    """(readers of the same inputs, origin of each input, what makes them)"""
    for layer in model.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        yield [attention.q_proj, attention.k_proj, attention.v_proj], None, layer.input_layernorm
        yield [attention.o_proj], origins(model), attention.v_proj
        yield [mlp.gate_proj, mlp.up_proj], None, layer.post_attention_layernorm
        yield [mlp.down_proj], None, mlp.up_proj


def make_uneven(model):
    for readers, origin, maker in places(model):
        factors = torch.ones(len(maker.weight))
        factors[CHANNELS] = FACTOR
        maker.weight.data *= factors if maker.weight.dim() == 1 else factors[:, None]
        for reader in readers:
            reader.weight.data /= factors if origin is None else factors[origin]


def round_int8(x, bf16_scale):
    scale = x.abs().amax(-1, keepdim=True) / 127
    scale = scale.bfloat16().float() if bf16_scale else scale
    return (x / scale).round().clamp(-127, 127) * scale


def round_int4(w):
    groups = w.split(GROUP, 1)
    return torch.cat([round_group(group) for group in groups], 1)


def round_group(group):
    largest = group.gather(1, group.abs().argmax(1, keepdim=True))
    best, least = torch.zeros_like(group), torch.full((len(group), 1), float("inf"))
    for end in ENDS:
        scale = (largest / end).bfloat16().float()
        rounded = (group / scale).clamp(-8, 7).round() * scale
        error = ((rounded - group) ** 2).sum(1, keepdim=True)
        best, least = torch.where(error < least, rounded, best), torch.minimum(error, least)
    return best


def by_origin(values, origin, reduce):
    if origin is None:
        return values
    out = torch.zeros(int(origin.max()) + 1)
    return out.scatter_reduce(0, origin, values, reduce, include_self=False)[origin]


def collect(model, ids):
    """Inputs of each place's first reader."""
    inputs, hooks = [], []
    for readers, _, _ in places(model):
        hooks.append(readers[0].register_forward_pre_hook(lambda module, x: inputs.append(x[0].flatten(0, -2))))
    logits = model(ids[None]).logits[0]
    for hook in hooks:
        hook.remove()
    return inputs, logits


def error(ids, uneven, factors_of, weights, inputs_too):
    """factors_of(inputs, weights of all readers, origin) divides the inputs; weights(w) rounds, INT8 rounds the inputs where wanted."""
    model = load()
    if uneven:
        make_uneven(model)
    inputs, wanted = collect(model, ids)
    for (readers, origin, _), x in zip(places(model), inputs):
        factors = factors_of(x, torch.cat([reader.weight for reader in readers]), origin)
        for reader in readers:
            reader.weight.data = weights(reader.weight * factors) / (1 if inputs_too else factors)
            if inputs_too:
                reader.register_forward_pre_hook(lambda module, x, factors=factors: (round_int8(x[0] / factors, False),))
    return ((model(ids[None]).logits[0] - wanted).norm() / wanted.norm()).item()


def none(x, w, origin):
    return torch.ones(x.shape[1])


def smoothquant(x, w, origin):
    return (by_origin(x.abs().amax(0), origin, "amax") / by_origin(w.abs().amax(0), origin, "amax")) ** 0.5


def awq(x, w, origin):
    return by_origin((x**2).mean(0), origin, "mean") ** 0.5


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    ids = load_file(GOLDEN / "models/llama3/golden.safetensors")["input_ids"].long()
    int8 = lambda w: round_int8(w, True)
    golden = {"channels": CHANNELS, "factor": FACTOR,
              "even_int8": error(ids, False, none, int8, True), "int8": error(ids, True, none, int8, True),
              "int8_smoothed": error(ids, True, smoothquant, int8, True),
              "even_int4": error(ids, False, none, round_int4, False), "int4": error(ids, True, none, round_int4, False),
              "int4_smoothed": error(ids, True, awq, round_int4, False)}
    print(golden)
    (GOLDEN / "quantize/outliers.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
