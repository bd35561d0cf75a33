"""Logits that transformers computes from the models of gguf_models.py before they were converted to GGUF.

    python tools/golden/gguf_logits.py     writes tests/golden/gguf/logits.json

An imported GGUF must give the same: rows of q and k back in order, norms without the added 1, rope scaling recovered.
"""
import json
from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

import gguf_models

TOKENS = 40  # longer than Gemma's window of 16


def logits_of(name, seed):
    tensors = gguf_models.original_tensors(name, np.random.default_rng(seed))
    if name == "smollm":
        kind = gguf.GGMLQuantizationType.Q8_0
        embedding = tensors["model.embed_tokens.weight"]
        tensors["model.embed_tokens.weight"] = gguf.dequantize(gguf.quantize(embedding, kind), kind)
    fields = gguf_models.config_of(name)
    config = AutoConfig.for_model(fields.pop("model_type"), **fields, pad_token_id=0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    missing, unexpected = model.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in tensors.items()}, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (name, missing, unexpected)
    model.tie_weights()
    ids = torch.arange(TOKENS) * 7 % gguf_models.VOCAB
    with torch.no_grad():
        return ids.tolist(), [round(x, 7) for x in model(ids[None]).logits[0].flatten().tolist()]


def main():
    out = {}
    for seed, name in enumerate(gguf_models.MODELS):
        ids, logits = logits_of(name, seed)
        out["ids"], out[name] = ids, logits
    path = Path(__file__).parents[2] / "tests/golden/gguf/logits.json"
    path.write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
