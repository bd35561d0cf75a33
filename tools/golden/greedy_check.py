"""Compares greedy answers of a real model: transformers in FP32 against the program, 10 prompts x 64 tokens.

    python tools/golden/greedy_check.py build/release/octet MODEL.gguf IMPORTED_DIRECTORY

IMPORTED_DIRECTORY is what `octet import MODEL.gguf -o IMPORTED_DIRECTORY --dtype f32` wrote. The reference starts from the GGUF
itself, decoded to FP32 by the `gguf` package and put back into the order of transformers here (llama architecture only).
Prompts go in as ids, and end tokens don't end the answers.
Where the answers part, the step is shown with the gap between the two best logits: below 1e-3 it is a near-tie, which rounding
may turn either way. Exits with 1 where they part at a larger gap. Needs torch, gguf, tokenizers, transformers 5.23.
"""

import json
import subprocess
import sys
from pathlib import Path

# A neighbour of this file is called as the package `tokenizers` is: its folder must not be searched.
sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).resolve().parent]

import gguf
import torch
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

NEAR_TIE = 1e-3
TOKENS = 64
PROMPTS = [
    "The capital of France is", "Once upon a time, there was a", "def fibonacci(n):\n", "Water boils at",
    "In 1969, the first humans", "The three primary colours are", "My favourite recipe begins with",
    "To sort a list in Python,", "The speed of light in a vacuum is", "Dear Sir or Madam,\n\n",
]


NAMES = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
         "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
         "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}


def hugging_face_name(name):
    fixed = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight",
             "output.weight": "lm_head.weight"}
    if name in fixed:
        return fixed[name]
    block, layer, part, kind = name.split(".")
    assert block == "blk" and kind == "weight", name
    return f"model.layers.{layer}.{NAMES[part]}.weight"


def halves_from_pairs(weight, heads):
    """Rows of q and k stand as rotated pairs in a GGUF; transformers wants the two halves of a head behind each other."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def load_gguf(path):
    reader = gguf.GGUFReader(path)
    field = lambda name: reader.fields["llama." + name].contents()
    heads, kv_heads = field("attention.head_count"), field("attention.head_count_kv")
    weights = {}
    for tensor in reader.tensors:
        value = torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype("float32"))
        if tensor.name.endswith(("attn_q.weight", "attn_k.weight")):
            value = halves_from_pairs(value, heads if "attn_q" in tensor.name else kv_heads)
        weights[hugging_face_name(tensor.name)] = value
    tied = "lm_head.weight" not in weights
    config = LlamaConfig(
        vocab_size=weights["model.embed_tokens.weight"].shape[0], hidden_size=field("embedding_length"),
        intermediate_size=field("feed_forward_length"), num_hidden_layers=field("block_count"), num_attention_heads=heads,
        num_key_value_heads=kv_heads, rms_norm_eps=field("attention.layer_norm_rms_epsilon"), rope_theta=field("rope.freq_base"),
        max_position_embeddings=field("context_length"), tie_word_embeddings=tied)
    model = LlamaForCausalLM(config).eval()
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected and missing == (["lm_head.weight"] if tied else []), (missing, unexpected)
    model.tie_weights()
    return model


def reference(model, ids):
    """Greedy ids, and at each step the gap between the best and the second logit."""
    answer, gaps = [], []
    with torch.no_grad():
        state = model(input_ids=torch.tensor([ids]), use_cache=True)
        while True:
            best = torch.topk(state.logits[0, -1], 2)
            gaps.append((best.values[0] - best.values[1]).item())
            answer.append(best.indices[0].item())
            if len(answer) == TOKENS:
                return answer, gaps
            state = model(input_ids=torch.tensor([answer[-1:]]), past_key_values=state.past_key_values, use_cache=True)


def octet(program, directory, ids):
    command = [program, "run", directory, "--ids", ",".join(map(str, ids)), "--max-tokens", str(TOKENS), "--ignore-eos",
               "--temperature", "0", "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    program, gguf_file, directory = sys.argv[1:4]
    tokenizer = Tokenizer.from_file(str(Path(directory) / "tokenizer.json"))
    model = load_gguf(gguf_file)
    failures = 0
    for prompt in PROMPTS:
        ids = tokenizer.encode(prompt).ids
        want, gaps = reference(model, ids)
        got = octet(program, directory, ids)["tokens"]
        parted = next((i for i in range(max(len(want), len(got))) if want[i:i + 1] != got[i:i + 1]), None)
        if parted is None:
            print(f"equal, {len(want)} tokens: {prompt!r}")
            continue
        tie = gaps[parted] < NEAR_TIE
        failures += not tie
        print(f"{'near-tie' if tie else 'DIFFERENT'} at token {parted}, gap {gaps[parted]:.2e}: {prompt!r}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
