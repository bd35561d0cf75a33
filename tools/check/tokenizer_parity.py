"""Compares Octet's tokenizers with Hugging Face's package: ids and decoded texts, on texts and random strings.

    python tools/check/tokenizer_parity.py build/release/tests/test_text TOKENIZER_JSON... [--text FILE_OR_FOLDER]... [--random 100000]
    python tools/check/tokenizer_parity.py build/release/tests/test_text --trained [--only xlmr]... [--random 100000]

Files are compared line by line and as a whole (the first 100,000 characters); folders stand for all files in them, .gz ones
unpacked. --trained makes a vocabulary of each family of tools/golden/make_tokenizers.py, larger than those of the goldens.
A row per vocabulary and corpus: texts compared, texts that differ. Ends with 1 where any differs. Needs tokenizers.
"""

import argparse
import gzip
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/golden"))

import make_tokenizers
from tokenizers import Tokenizer


def read(path):
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return data.decode("utf-8", "replace")


def texts_of(path):
    """Every line once, and each file's beginning as one text."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    contents = [read(file) for file in files]
    lines = dict.fromkeys(line for content in contents for line in content.splitlines(keepends=True))
    return [*lines, *(content[:100000] for content in contents)]


def corpora_of(arguments, tokenizer):
    specials = [token.content for token in tokenizer.get_added_tokens_decoder().values()][:40]
    rng = random.Random(arguments.seed)
    yield "hard", make_tokenizers.HARD
    yield "random", [make_tokenizers.random_text(rng, specials) for _ in range(arguments.random)]
    for path in arguments.text:
        yield path.name, texts_of(path)


def vocabularies_of(arguments):
    for path in arguments.json:
        yield f"{path.parent.name}/{path.name}" if path.name != "tokenizer.json" else path.parent.name, Tokenizer.from_file(str(path))
    if arguments.trained:
        lines = make_tokenizers.training_text(random.Random(arguments.seed))
        for path in arguments.text:
            lines += [text for text in texts_of(path) if len(text) < 1000][:4000]
        for name, make in make_tokenizers.families(lines, 3000):
            if not arguments.only or name in arguments.only:
                yield name, make()


def differing(test_program, tokenizer, texts, show):
    """How many texts differ; the first ones are printed."""
    with tempfile.TemporaryDirectory() as folder:
        make_tokenizers.write_family(pathlib.Path(folder) / "one", tokenizer, texts)
        run = subprocess.run([test_program, "--gtest_filter=TokenizerGoldens.*", "--gtest_brief=1"], capture_output=True, text=True,
                             errors="replace", env={**os.environ, "OCTET_TOKENIZER_GOLDENS": folder})
    if run.returncode == 0:
        return 0
    print(run.stdout[:show])
    found = re.search(r"(\d+) of \d+ texts differ", run.stdout)
    return int(found.group(1)) if found else len(texts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("test_program", metavar="TEST_TEXT")
    parser.add_argument("json", nargs="*", type=pathlib.Path, metavar="TOKENIZER_JSON")
    parser.add_argument("--trained", action="store_true")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--text", action="append", default=[], type=pathlib.Path)
    parser.add_argument("--random", type=int, default=100000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=3000, help="characters of the differences to print")
    arguments = parser.parse_args()
    total = 0
    for name, tokenizer in vocabularies_of(arguments):
        for corpus, texts in corpora_of(arguments, tokenizer):
            different = differing(arguments.test_program, tokenizer, texts, arguments.show)
            total += different
            print(f"{name:20} {corpus:20} {len(texts):7} texts {different:7} differ", flush=True)
    sys.exit(1 if total else 0)


if __name__ == "__main__":
    main()
