"""Makes tests/golden/models/*/decode.safetensors: what transformers computes where a rope's angles depend on the length
and an answer grows past the length at which they change.

    python tools/golden/rope_decode.py             needs torch, safetensors, transformers 5.23; after models.py

The prompt is the first 24 ids of golden.safetensors; generate() is made to choose the others one by one, so that what it does
with its key/value cache is in the numbers: Phi-3 drops the cache where the sequence first exceeds
original_max_position_embeddings and computes all keys anew, `dynamic` lets keys keep the angle that they were stored with.
logits [seq - 23, vocab] F32: of the prompt's last token, then of each one that follows.
"""

import json
import sys
from pathlib import Path

sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).resolve().parent]

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, LogitsProcessor

MODELS = Path(__file__).resolve().parents[2] / "tests/golden/models"
PROMPT = 24


class Force(LogitsProcessor):
    """Keeps the logits of every step and makes the given id the largest."""

    def __init__(self, ids):
        self.ids, self.rows = ids, []

    def __call__(self, input_ids, scores):
        self.rows.append(scores[0].clone())
        position = input_ids.shape[1]
        forced = torch.zeros_like(scores)
        forced[0, self.ids[position] if position < len(self.ids) else 0] = 1
        return forced


def make(directory):
    fields = json.loads((directory / "config.json").read_text())
    config = AutoConfig.for_model(fields.pop("model_type"), **fields)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    model.load_state_dict({key: value.float() for key, value in load_file(directory / "model.safetensors").items()})
    ids = load_file(directory / "golden.safetensors")["input_ids"].long()
    force = Force(ids)
    with torch.no_grad():
        model.generate(input_ids=ids[None, :PROMPT], attention_mask=torch.ones(1, PROMPT, dtype=torch.long), do_sample=False,
                       max_new_tokens=len(ids) - PROMPT + 1, eos_token_id=None, pad_token_id=0, logits_processor=[force])
    rows = force.rows
    save_file({"logits": torch.stack(rows).contiguous()}, directory / "decode.safetensors")
    print(f"{directory.name}: {len(rows)} rows")


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name in ("llama_dynamic", "phi3_short", "phi3_long"):
        make(MODELS / name)


if __name__ == "__main__":
    main()
