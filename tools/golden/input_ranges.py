"""Makes tests/golden/quantize/input_ranges.json: the largest magnitude among the inputs of each matrix of tiny models, by PyTorch.

    python tools/golden/input_ranges.py            needs torch, safetensors, transformers 5.23; after models.py

{model: {slot: amax}} over the first 44 ids of golden.safetensors as one sequence in FP32; slots as models/model_spec.h names joined
matrices.
"""

import json
import sys
from pathlib import Path

sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).resolve().parent]

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM

GOLDEN = Path(__file__).resolve().parents[2] / "tests/golden"
TOKENS = 44
SLOTS = {"q_proj": "attn.qkv", "qkv_proj": "attn.qkv", "o_proj": "attn.out", "gate_proj": "ffn.gate_up", "gate_up_proj": "ffn.gate_up",
         "down_proj": "ffn.down"}


def load(directory):
    fields = json.loads((directory / "config.json").read_text())
    config = AutoConfig.for_model(fields.pop("model_type"), **fields)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    model.load_state_dict({key: value.float() for key, value in load_file(directory / "model.safetensors").items()}, strict=False)
    model.tie_weights()
    return model


def ranges(directory):
    model, found = load(directory), {}

    def watch(slot):
        return lambda module, inputs: found.__setitem__(slot, inputs[0].abs().max().item())

    for name, module in model.named_modules():
        parts = name.split(".")
        if parts[-1] in SLOTS:
            module.register_forward_pre_hook(watch(f"layers.{parts[2]}.{SLOTS[parts[-1]]}"))
    model.lm_head.register_forward_pre_hook(watch("head"))
    ids = load_file(directory / "golden.safetensors")["input_ids"][:TOKENS].long()
    with torch.no_grad():
        model(ids[None])
    return found


def main():
    torch.set_num_threads(1)
    made = {name: ranges(GOLDEN / "models" / name) for name in ("llama3", "qwen2", "phi3_short", "gemma3")}
    (GOLDEN / "quantize/input_ranges.json").write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
