"""Writes tests/golden/gguf/vocabulary.gguf: the tokens of tests/golden/tokenizers/llama3 and two chat templates, no weights.

    python tools/golden/vocabulary_gguf.py

It must give the ids of that tokenizer.json. Needs the package gguf.
"""

import json
import pathlib

import gguf

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"
CHAT = "{{ bos_token }}{% for m in messages %}<|im_end|>{{ m.content }}{% endfor %}"


def main():
    tokenizer = json.loads((GOLDEN / "tokenizers/llama3/tokenizer.json").read_text(encoding="utf-8"))
    texts = {index: text for text, index in tokenizer["model"]["vocab"].items()}
    types = dict.fromkeys(texts, gguf.TokenType.NORMAL)
    for token in tokenizer["added_tokens"]:
        texts[token["id"]] = token["content"]
        types[token["id"]] = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]]
    bos = next(token["id"] for token in tokenizer["added_tokens"] if token["content"] == "<s>")

    writer = gguf.GGUFWriter(GOLDEN / "gguf/vocabulary.gguf", "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list([texts[i] for i in range(len(texts))])
    writer.add_token_types([types[i] for i in range(len(texts))])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(bos)
    writer.add_add_bos_token(True)
    writer.add_chat_template([{"name": "default", "template": CHAT}, {"name": "tool_use", "template": "tools: {{ tools[0].name }}"}])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


if __name__ == "__main__":
    main()
