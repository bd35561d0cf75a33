"""Runs llama.cpp's vocabulary cases through `octet tokenize` and counts the texts whose ids are the expected ones.

    python tools/check/vocab_cases.py FOLDER build/release/octet

FOLDER holds NAME.gguf, a vocabulary without weights; NAME.gguf.inp, texts between lines `__ggml_vocab_test__`; and
NAME.gguf.out, the ids of each text on a line of their own, without BOS and EOS. Ends with 1 where any text failed.
"""

import argparse
import json
import pathlib
import subprocess
import sys

SEPARATOR = "\n__ggml_vocab_test__\n"


def cases_of(vocabulary):
    texts = pathlib.Path(f"{vocabulary}.inp").read_bytes().decode("utf-8").split(SEPARATOR)
    lines = pathlib.Path(f"{vocabulary}.out").read_text().split("\n")
    # Both files may end with a separator, which opens no further case.
    if texts[-1] == "":
        texts.pop()
    if lines[-1] == "":
        lines.pop()
    if len(texts) != len(lines):
        sys.exit(f"{vocabulary}: {len(texts)} texts and {len(lines)} lines of ids")
    return [(text, [int(word) for word in line.split()]) for text, line in zip(texts, lines)]


def ids_of(octet, vocabulary, text):
    command = [octet, "tokenize", vocabulary, "--text", "-", "--no-special", "--json"]
    run = subprocess.run(command, input=text.encode("utf-8"), capture_output=True)
    return json.loads(run.stdout)["ids"] if run.returncode == 0 else run.stderr.decode("utf-8", "replace").strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("octet")
    arguments = parser.parse_args()
    passed = failed = 0
    for vocabulary in sorted(arguments.folder.glob("*.gguf")):
        equal = different = 0
        for text, expected in cases_of(vocabulary):
            ids = ids_of(arguments.octet, vocabulary, text)
            if ids == expected:
                equal += 1
                continue
            different += 1
            print(f"{vocabulary.name}: {text[:80]!r}\n  expected {expected}\n  got      {ids}")
        print(f"{vocabulary.name}: {equal} equal, {different} different", flush=True)
        passed, failed = passed + equal, failed + different
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
