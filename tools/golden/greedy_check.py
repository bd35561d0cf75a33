"""Compares greedy answers of a real model: transformers in FP32 against the program, 10 prompts x 64 tokens.

    python tools/golden/greedy_check.py build/release/octet MODEL.gguf IMPORTED_DIRECTORY

IMPORTED_DIRECTORY is what `octet import MODEL.gguf -o IMPORTED_DIRECTORY --dtype f32` wrote. Both sides start from the same
weights: transformers decodes the GGUF to FP32 itself. Prompts go in raw, without a chat template; their ids are compared too.
Where the answers part, the step is shown with the gap between the two best logits: below 1e-3 it is a near-tie, which rounding
may turn either way. Exits with 1 where they part at a larger gap. Needs torch, gguf, transformers 5.23.
"""

import json
import subprocess
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

NEAR_TIE = 1e-3
TOKENS = 64
PROMPTS = [
    "The capital of France is", "Once upon a time, there was a", "def fibonacci(n):\n", "Water boils at",
    "In 1969, the first humans", "The three primary colours are", "My favourite recipe begins with",
    "To sort a list in Python,", "The speed of light in a vacuum is", "Dear Sir or Madam,\n\n",
]


def reference(model, ids):
    """Greedy ids, and at each step the gap between the best and the second logit."""
    answer, gaps = [], []
    with torch.no_grad():
        state = model(input_ids=torch.tensor([ids]), use_cache=True)
        while True:
            best = torch.topk(state.logits[0, -1], 2)
            gaps.append((best.values[0] - best.values[1]).item())
            answer.append(best.indices[0].item())
            if len(answer) == TOKENS or answer[-1] in model.stop_ids:
                return answer, gaps
            state = model(input_ids=torch.tensor([answer[-1:]]), past_key_values=state.past_key_values, use_cache=True)


def octet(program, directory, prompt):
    command = [program, "run", directory, "--prompt", prompt, "--raw", "--max-tokens", str(TOKENS), "--temperature", "0",
               "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    program, gguf, directory = sys.argv[1:4]
    where = dict(pretrained_model_name_or_path=str(Path(gguf).parent), gguf_file=Path(gguf).name)
    tokenizer = AutoTokenizer.from_pretrained(**where)
    model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32, attn_implementation="eager").eval()
    stop = model.generation_config.eos_token_id or model.config.eos_token_id
    model.stop_ids = set(stop if isinstance(stop, list) else [stop])
    failures = 0
    for prompt in PROMPTS:
        want, gaps = reference(model, tokenizer(prompt)["input_ids"])
        got = octet(program, directory, prompt)["tokens"]
        # The program leaves the stop token out of its answer.
        want = [token for token in want if token not in model.stop_ids]
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
