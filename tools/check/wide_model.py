"""Writes a small Llama of random weights whose layers are wide enough for blocks of 128 x 128: inputs are multiples of 128, as readers of such
blocks want it, outputs needn't be.

    python tools/check/wide_model.py DIR      needs torch, transformers
"""
import sys

import torch
from transformers import AutoModelForCausalLM, LlamaConfig


def main():
    torch.manual_seed(5)
    config = LlamaConfig(hidden_size=256, intermediate_size=384, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=1,
                         vocab_size=300, max_position_embeddings=256, tie_word_embeddings=False, initializer_range=0.06)
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(sys.argv[1])


if __name__ == "__main__":
    main()
