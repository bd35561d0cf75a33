"""Makes tests/golden/encoders/text_pairs.json: pairs of texts as Hugging Face's package joins and cuts them.

    python tools/golden/text_pairs.py [OUTPUT_FILE]        needs tokenizers 0.23

Tokenizers are those of tests/golden/tokenizers, as they are and with other post-processors. Each entry has
    tokenizer       folder in tests/golden/tokenizers
    post_processor  that stands in for the file's own; absent: the file's
    cases           first, second, most (null: nothing is cut), ids, types
"""

import json
import sys
from pathlib import Path

# A neighbour of this file is called as the package `tokenizers` is: its folder must not be searched.
sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).resolve().parent]

from tokenizers import Tokenizer

TESTS = Path(__file__).resolve().parents[2] / "tests/golden"
TEXTS = ["", "the word and the token", "中文 and words: 3.14 is 42?", "a b c d e f g h i j k l m n o p", "[SEP] written in a text"]
LIMITS = [None, 9, 10]


def special(name, type_id):
    return {"SpecialToken": {"id": name, "type_id": type_id}}


def sequence(name, type_id):
    return {"Sequence": {"id": name, "type_id": type_id}}


def template(pair, names):
    tokens = {name: {"id": name, "ids": ids, "tokens": [name] * len(ids)} for name, ids in names.items()}
    return {"type": "TemplateProcessing", "single": [sequence("A", 0)], "pair": pair, "special_tokens": tokens}


PROCESSORS = [
    ("bert", "file"), ("bert_cased", "file"), ("xlmr", "file"), ("gpt2", "file"), ("llama3", "file"), ("t5", "file"),
    ("bert", None),
    ("bert", {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}),
    ("bert", {"type": "RobertaProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2], "trim_offsets": True, "add_prefix_space": False}),
    ("bert", template([special("[CLS]", 0), sequence("A", 0), special("[SEP]", 0), special("[SEP]", 0), sequence("B", 0),
                       special("[SEP]", 0)], {"[CLS]": [2], "[SEP]": [3]})),
    ("bert", template([sequence("B", 1), special("[SEP]", 2), sequence("A", 0)], {"[SEP]": [3, 4]})),
    ("bert", {"type": "Sequence", "processors": [
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        template([special("[CLS]", 0), sequence("A", 0), special("[SEP]", 0), sequence("B", 1), special("[SEP]", 1)],
                 {"[CLS]": [2], "[SEP]": [3]})]}),
]


def make_entry(name, processor):
    definition = json.loads((TESTS / f"tokenizers/{name}/tokenizer.json").read_text())
    entry = dict(tokenizer=name)
    if processor != "file":
        definition["post_processor"] = entry["post_processor"] = processor
    tokenizer = Tokenizer.from_str(json.dumps(definition))
    entry["cases"] = cases = []
    for first in TEXTS:
        for second in TEXTS:
            for most in LIMITS:
                if most is None:
                    tokenizer.no_truncation()
                else:
                    tokenizer.enable_truncation(most, strategy="longest_first")
                encoding = tokenizer.encode(first, second)
                cases.append(dict(first=first, second=second, most=most, ids=encoding.ids, types=encoding.type_ids))
    return entry


def main():
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else TESTS / "encoders/text_pairs.json"
    entries = [make_entry(name, processor) for name, processor in PROCESSORS]
    lines = [json.dumps(entry, ensure_ascii=False) for entry in entries]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    print(f"{path}: {sum(len(entry['cases']) for entry in entries)} pairs, {path.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
