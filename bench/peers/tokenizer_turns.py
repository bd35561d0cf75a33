"""Octet's tokenizers beside tiktoken and Hugging Face's tokenizers: same vocabulary, same text, one thread, by turns.

    python bench/peers/tokenizer_turns.py build/release/bench/bench_text MODEL... --text FILE [--text FILE]... [--rounds 5]

MODEL is a tokenizer.json or a GGUF file. tiktoken takes part where a vocabulary is byte-level with one pattern; its ranks are made
from the vocabulary's own tokens. The ids of all programs must be equal, or the script ends with 1. Seconds are those that the
thread computed; the table has medians in MB/s (10^6 bytes) with the lowest and highest. Needs tiktoken and tokenizers.
"""

import argparse
import gc
import importlib.metadata
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

# One thread each, whatever the machine has.
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import tiktoken
import tokenizers

GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"


def byte_alphabet():
    """The character that spells each byte, the other way round."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


def pattern_of(pre_tokenizer):
    """The one pattern that cuts words, or None."""
    steps = pre_tokenizer.get("pretokenizers", [pre_tokenizer]) if pre_tokenizer else []
    patterns = [step["pattern"]["Regex"] for step in steps if step["type"] == "Split" and "Regex" in step["pattern"]]
    patterns += [GPT2 for step in steps if step["type"] == "ByteLevel" and step.get("use_regex", True)]
    whole = all(step["type"] == "ByteLevel" or (step["type"] == "Split" and step["behavior"] == "Isolated") for step in steps)
    return patterns[0] if whole and len(patterns) == 1 else None


def make_tiktoken(definition):
    """None where tiktoken's idea of a vocabulary doesn't fit."""
    model, pattern = definition["model"], pattern_of(definition["pre_tokenizer"])
    if model["type"] != "BPE" or pattern is None:
        return None
    alphabet = byte_alphabet()
    added = {token["id"] for token in definition["added_tokens"]}
    ranks = {bytes(alphabet[c] for c in token): rank for token, rank in model["vocab"].items() if rank not in added}
    return tiktoken.Encoding("same", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})


def seconds_of(work):
    gc.disable()
    start = time.thread_time()
    result = work()
    seconds = time.thread_time() - start
    gc.enable()
    return seconds, result


class Peer:
    """A Python package: encode(text) and ids(result) apart, so that only the package's own work is timed."""

    def __init__(self, name, encode, ids, decode):
        self.name, self.encode, self.ids, self.decode = name, encode, ids, decode

    def turn(self, text):
        encoding, result = seconds_of(lambda: self.encode(text))
        ids = self.ids(result)
        decoding, _ = seconds_of(lambda: self.decode(ids))
        return {"encode": encoding, "decode": decoding}, ids


class Octet:
    """The benchmark program; each turn is a process of its own, so it measures its first call too, whose word cache is empty."""

    name = "octet"

    def __init__(self, program, model, text):
        self.program, self.model, self.text = program, model, text

    def turn(self, _):
        with tempfile.NamedTemporaryFile() as ids:
            command = [self.program, self.model, self.text, "--repetitions", "1", "--json", "--ids", ids.name]
            report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            words = memoryview(pathlib.Path(ids.name).read_bytes()).cast("i")
        times = {task: report[task]["seconds"][0] for task in ("encode", "decode", "stream")}
        return times | {"first": report["encode"]["first"]}, words.tolist()


def contenders(program, model, text):
    yield Octet(program, model, text)
    definition = json.loads(pathlib.Path(model).read_text(encoding="utf-8"))
    encoding = make_tiktoken(definition)
    if encoding is None:
        print(f"tiktoken sits out: {pathlib.Path(model).name} is no byte-level BPE of one pattern", file=sys.stderr)
    else:
        yield Peer("tiktoken", encoding.encode_ordinary, lambda ids: ids, encoding.decode)
    hugging = tokenizers.Tokenizer.from_file(model)
    # Special tokens in the text stay plain text for all three.
    hugging.encode_special_tokens = True
    yield Peer("tokenizers", lambda text: hugging.encode(text, add_special_tokens=False), lambda encoded: encoded.ids,
               lambda ids: hugging.decode(ids, skip_special_tokens=False))


def compare(program, model, path, rounds):
    """Rates by program and task, and the names of programs whose ids differ from Octet's."""
    text = path.read_bytes().decode("utf-8")
    size = path.stat().st_size
    programs = list(contenders(program, model, str(path)))
    rates, different = {}, set()
    for _ in range(rounds):
        expected = None
        for contender in programs:
            times, ids = contender.turn(text)
            expected = expected or ids
            if ids != expected:
                different.add(contender.name)
            for task, seconds in times.items():
                rates.setdefault((contender.name, task), []).append(size / 1e6 / seconds)
    return rates, different


def cell(rates):
    if not rates:
        return "-"
    return f"{statistics.median(rates):.1f} ({min(rates):.1f}-{max(rates):.1f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", metavar="BENCH_TEXT")
    parser.add_argument("models", nargs="+", type=pathlib.Path, metavar="MODEL")
    parser.add_argument("--text", action="append", required=True, type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("tiktoken", "tokenizers"))
    print(f"{versions}, {arguments.rounds} turns, MB/s\n")
    print("| vocabulary | text | program | ids | encode, first call | encode | decode | decode as stream |\n|---|---|---|---|---|---|---|---|")
    failed = False
    for model in arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            source = model
            if model.suffix == ".gguf":
                source = pathlib.Path(folder) / "tokenizer.json"
                subprocess.run([arguments.program, model, "--tokenizer-json", source], check=True)
            for text in arguments.text:
                rates, different = compare(arguments.program, str(source), text, arguments.rounds)
                failed = failed or bool(different)
                for name in dict.fromkeys(name for name, _ in rates):
                    cells = [cell(rates.get((name, task))) for task in ("first", "encode", "decode", "stream")]
                    same = "differ" if name in different else "equal"
                    print(f"| {model.stem} | {text.name} | {name} | {same} | {' | '.join(cells)} |", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
