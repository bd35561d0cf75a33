"""Makes tests/golden/models/*/fp8_forward.safetensors: what a model with E4M3 weights and E4M3 inputs computes, by PyTorch.

    python tools/golden/fp8_forward.py             needs torch, safetensors, transformers 5.23; after models.py

Every linear layer that has a tensor of its own (a tied head has none) gets E4M3 codes with a scale per row, amax / 448; its
inputs are rounded to E4M3 with a scale per token, amax / 448. What isn't quantised is rounded to BF16: queries, keys, values and
probabilities before their division, inputs of a tied head, Gemma's embedding scale. All else is FP32. logits [16, vocab] F32: of
each of the first 8 ids of golden.safetensors as a sequence of its own, then of the last 8 of the first 44 ids as one sequence.
"""

import json
import sys
from pathlib import Path

sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).resolve().parent]

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

MODELS = Path(__file__).resolve().parents[2] / "tests/golden/models"
ALONE, TOGETHER = 8, 44


def rounded(values):
    """Values that are E4M3 codes times the scale of their row."""
    scale = values.abs().amax(-1, keepdim=True) / 448
    return (values / scale).to(torch.float8_e4m3fn).float() * scale


def round_attention(module):
    """The family's eager attention with queries, keys, values and exp(score - largest) in BF16."""

    def attend(layer, query, key, value, mask, scaling, **named):
        query, key, value = (part.bfloat16().float() for part in (query, key, value))
        groups = layer.num_key_value_groups
        scores = query @ key.repeat_interleave(groups, 1).transpose(2, 3) * scaling
        if mask is not None:
            scores = scores + mask
        weights = torch.exp(scores - scores.amax(-1, keepdim=True)).bfloat16().float()
        out = weights @ value.repeat_interleave(groups, 1) / weights.sum(-1, keepdim=True)
        return out.transpose(1, 2).contiguous(), weights

    module.eager_attention_forward = attend


def make(directory):
    fields = json.loads((directory / "config.json").read_text())
    config = AutoConfig.for_model(fields.pop("model_type"), **fields)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    weights = {key: value.float() for key, value in load_file(directory / "model.safetensors").items()}
    quantised = [key for key in weights if key.endswith("_proj.weight") or key == "lm_head.weight"]
    for key in quantised:
        weights[key] = rounded(weights[key])
    model.load_state_dict(weights, strict=False)
    model.tie_weights()
    if hasattr(model.model.embed_tokens, "embed_scale"):
        scale = model.model.embed_tokens.embed_scale
        scale.copy_(scale.bfloat16())

    round_attention(sys.modules[type(model).__module__])

    def hook(name):
        def round_input(module, inputs):
            values = inputs[0]
            if f"{name}.weight" not in quantised:
                return (values.bfloat16().float(),)
            return (rounded(values),)
        return round_input

    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_pre_hook(hook(name))
    ids = load_file(directory / "golden.safetensors")["input_ids"].long()
    with torch.no_grad():
        alone = model(input_ids=ids[:ALONE, None], use_cache=False).logits[:, 0]
        together = model(input_ids=ids[None, :TOGETHER], use_cache=False).logits[0, -ALONE:]
    save_file({"logits": torch.cat([alone, together]).contiguous()}, directory / "fp8_forward.safetensors")
    print(f"{directory.name}: {len(quantised)} quantised")


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name in ("llama3", "qwen2", "phi3_long", "gemma3"):
        make(MODELS / name)


if __name__ == "__main__":
    main()
