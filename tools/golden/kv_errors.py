"""Makes tests/golden/quantize/kv_errors.json: ranges of keys and values and what rounding them does to attention, by PyTorch.

    python tools/golden/kv_errors.py            needs torch, safetensors, transformers 5.23; after models.py

{model: {"fp8" | "int8": [{"key_scales", "value_scales", "heads": [{"key_amax", "value_amax", "dynamic_error", "static_error",
"attention_kl"}]} of each layer]}} over the first 44 ids of golden.safetensors as one sequence in FP32. What the errors are:
src/quantize/kv_check.h.
"""

import json
import sys
from pathlib import Path

sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).resolve().parent]

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

GOLDEN = Path(__file__).resolve().parents[2] / "tests/golden"
MODELS = ("llama3", "qwen2", "phi3_short", "gemma2")
TOKENS, QUERIES = 44, 16
LIMITS = {"fp8": 448.0, "int8": 127.0}
seen = []


def attend(query, key, value, mask, scaling, softcap):
    groups = query.shape[1] // key.shape[1]
    scores = query @ key.repeat_interleave(groups, 1).mT * scaling
    if softcap:
        scores = softcap * torch.tanh(scores / softcap)
    weights = torch.softmax(scores + mask, -1)
    return weights, weights @ value.repeat_interleave(groups, 1)


def capture(module, query, key, value, attention_mask, scaling, dropout=0.0, softcap=None, **_):
    mask = attention_mask
    if mask is None:
        mask = torch.full((query.shape[2], key.shape[2]), float("-inf")).triu(1)
    elif mask.dtype == torch.bool:
        mask = torch.zeros(mask.shape).masked_fill(~mask, float("-inf"))
    seen.append((query, key, value, mask, scaling, softcap))
    return attend(query, key, value, mask, scaling, softcap)[1].transpose(1, 2).contiguous(), None


def round_by(x, scale, kind):
    if kind == "fp8":
        return (x / scale).clamp(-448, 448).to(torch.float8_e4m3fn).float() * scale
    return (x / scale).round().clamp(-127, 127) * scale


def own_scales(x, kind):
    scale = x.abs().amax(-1, keepdim=True) / LIMITS[kind]
    return torch.where(scale == 0, 1.0, scale)


def static_scale(x, kind):
    exact = x.abs().max() / LIMITS[kind]
    scale = exact.bfloat16()
    if scale.float() < exact:
        scale = torch.nextafter(scale, torch.tensor(float("inf"), dtype=torch.bfloat16))
    return scale.float()


def measure(query, key, value, mask, scaling, softcap, kind):
    rows = [(i + 1) * TOKENS // QUERIES - 1 for i in range(QUERIES)]
    kv_heads = key.shape[1]
    scales = static_scale(key, kind), static_scale(value, kind)
    variants = [(round_by(key, own_scales(key, kind), kind), round_by(value, own_scales(value, kind), kind)),
                (round_by(key, scales[0], kind), round_by(value, scales[1], kind))]
    weights, out = (x[0][:, rows].double() for x in attend(query, key, value, mask, scaling, softcap))
    by_head = lambda x: x.unflatten(0, (kv_heads, -1)).flatten(1)
    signal = by_head(out).square().sum(1).mean()
    errors, divergences = [], []
    for keys, values in variants:
        other, got = (x[0][:, rows].double() for x in attend(query, keys, values, mask, scaling, softcap))
        errors.append((by_head(got - out).square().sum(1) / signal).sqrt())
        terms = torch.where(weights > 0, weights * (weights / other.clamp_min(1e-38)).log(), 0.0).sum(-1)
        divergences.append(terms.unflatten(0, (kv_heads, -1)).flatten(1).mean(1))
    heads = [{"key_amax": key[0, head].abs().max().item(), "value_amax": value[0, head].abs().max().item(),
              "dynamic_error": errors[0][head].item(), "static_error": errors[1][head].item(),
              "attention_kl": max(d[head].item() for d in divergences)} for head in range(kv_heads)]
    return {"key_scales": [scales[0].item()], "value_scales": [scales[1].item()], "heads": heads}


def layers(directory):
    fields = json.loads((directory / "config.json").read_text())
    config = AutoConfig.for_model(fields.pop("model_type"), **fields)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    model.load_state_dict({key: value.float() for key, value in load_file(directory / "model.safetensors").items()}, strict=False)
    model.tie_weights()
    model.set_attn_implementation("capture")
    seen.clear()
    ids = load_file(directory / "golden.safetensors")["input_ids"][:TOKENS].long()
    with torch.no_grad():
        model(ids[None])
        return {kind: [measure(*layer, kind) for layer in seen] for kind in LIMITS}


def main():
    torch.set_num_threads(1)
    ALL_ATTENTION_FUNCTIONS.register("capture", capture)
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
    ALL_MASK_ATTENTION_FUNCTIONS.register("capture", ALL_MASK_ATTENTION_FUNCTIONS["eager"])
    made = {name: layers(GOLDEN / "models" / name) for name in MODELS}
    (GOLDEN / "quantize/kv_errors.json").write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
