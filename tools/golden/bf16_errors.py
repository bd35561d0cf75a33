"""Makes tests/golden/models/bf16_errors.json: how far transformers' own BF16 run of each tiny checkpoint is from its FP32 run.

    python tools/golden/bf16_errors.py             needs torch, safetensors, transformers 5.23; after models.py

The logits of golden.safetensors' ids from the model in bfloat16 with eager attention on one thread, against the FP32 logits in
golden.safetensors: |difference| / |logits|, Euclidean over the whole sequence.
"""

import json
import sys
from pathlib import Path

sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).resolve().parent]

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM

MODELS = Path(__file__).resolve().parents[2] / "tests/golden/models"


def error(directory):
    fields = json.loads((directory / "config.json").read_text())
    config = AutoConfig.for_model(fields.pop("model_type"), **fields)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
    weights = {key: value.bfloat16() for key, value in load_file(directory / "model.safetensors").items()}
    model.load_state_dict(weights, strict=False)
    model.tie_weights()
    golden = load_file(directory / "golden.safetensors")
    with torch.no_grad():
        logits = model(input_ids=golden["input_ids"].long()[None], use_cache=False).logits[0].float()
    return ((logits - golden["logits"]).norm() / golden["logits"].norm()).item()


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    errors = {path.parent.name: round(error(path.parent), 6) for path in sorted(MODELS.glob("*/golden.safetensors"))}
    (MODELS / "bf16_errors.json").write_text(json.dumps(errors, indent=2) + "\n")
    print(errors)


if __name__ == "__main__":
    main()
