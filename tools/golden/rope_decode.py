"""Makes tests/golden/models/*/decode.safetensors: what transformers computes where a rope's angles depend on the length
and the sequence grows past the length at which they change.

    python tools/golden/rope_decode.py             needs torch, safetensors, transformers 5.23; after models.py

The prompt is the first 24 ids of golden.safetensors, the others follow one at a time over the key/value cache, whose entries
keep the angles that they were stored with. logits [seq - 23, vocab] F32: of the prompt's last token, then of each one fed.
"""

import json
import sys
from pathlib import Path

sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).resolve().parent]

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

MODELS = Path(__file__).resolve().parents[2] / "tests/golden/models"
PROMPT = 24


def make(directory):
    fields = json.loads((directory / "config.json").read_text())
    config = AutoConfig.for_model(fields.pop("model_type"), **fields)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    model.load_state_dict({key: value.float() for key, value in load_file(directory / "model.safetensors").items()})
    ids = load_file(directory / "golden.safetensors")["input_ids"].long()
    rows = []
    with torch.no_grad():
        result = model(input_ids=ids[None, :PROMPT], use_cache=True)
        rows.append(result.logits[0, -1])
        for position in range(PROMPT, len(ids)):
            result = model(input_ids=ids[None, position:position + 1], past_key_values=result.past_key_values, use_cache=True)
            rows.append(result.logits[0, -1])
    save_file({"logits": torch.stack(rows).contiguous()}, directory / "decode.safetensors")
    print(f"{directory.name}: {len(rows)} rows")


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name in ("llama_dynamic", "phi3_short", "phi3_long"):
        make(MODELS / name)


if __name__ == "__main__":
    main()
