"""Runs bench_embed and its peers by turns and prints medians as a Markdown table.

    python3 bench/embed/turns.py MODEL TEXT [--threads 1 2] [--rounds 5] [--texts 160] [--length 128] [--batch 32] [--no-openvino]

MODEL is all-MiniLM-L6-v2 or another encoder, TEXT running text that is cut into texts of exactly --length tokens, special ones
included. Needs torch and transformers, and openvino unless --no-openvino: `pip install torch transformers openvino`. Build
bench_embed first (`ninja -C build/release bench_embed`). Peers stay loaded between their turns (worker.py)."""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]


def cut(model, text, count, length):
    """Texts whose tokens are `length` with the special ones: words are added until they would be too many."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    words, texts, at = pathlib.Path(text).read_text(encoding="utf-8").split(), [], 0
    while len(texts) < count:
        piece = " ".join(words[at:at + 2 * length])
        if len(piece.split()) < 2 * length:
            sys.exit(f"{text} is too short for {count} texts of {length} tokens")
        end = tokenizer(piece, return_offsets_mapping=True)["offset_mapping"][length - 2][1]
        piece = piece[:end]
        at += len(piece.split())
        if len(tokenizer(piece)["input_ids"]) == length:
            texts.append(piece)
    return texts


class Program:
    """Loaded, and run once without a figure."""

    def __init__(self, name, command):
        self.name, self.rates = name, []
        self.process = subprocess.Popen([str(word) for word in command], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.measure()
        self.rates.clear()

    def measure(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("rate "):
                self.rates.append(float(line.split()[1]))
                return
        sys.exit(f"{self.name} ended with code {self.process.wait()}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    for name, default in (("rounds", 5), ("texts", 160), ("length", 128), ("batch", 32)):
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--no-openvino", action="store_true")
    args = parser.parse_args()
    kinds = ["torch-f32", "torch-bf16"] + ([] if args.no_openvino else ["openvino-f32"])
    with tempfile.TemporaryDirectory() as folder:
        texts = pathlib.Path(folder) / "texts.jsonl"
        texts.write_text("".join(json.dumps(text) + "\n" for text in cut(args.model, args.text, args.texts, args.length)))
        print("| program | threads | texts/s | spread |\n|---|---|---|---|")
        for threads in args.threads:
            programs = [Program(f"octet {compute}", [TOP / "build/release/bench/bench_embed", args.model, texts, threads, compute])
                        for compute in ("f32", "bf16")]
            programs += [Program(kind, [sys.executable, pathlib.Path(__file__).with_name("worker.py"), kind, args.model, texts,
                                        threads, args.batch, args.length]) for kind in kinds]
            for _ in range(args.rounds):
                for program in programs:
                    program.measure()
            for program in programs:
                middle = statistics.median(program.rates)
                spread = (max(program.rates) - min(program.rates)) / middle
                print(f"| {program.name} | {threads} | {middle:.1f} | {100 * spread:.0f} % |", flush=True)
                program.process.stdin.close()


if __name__ == "__main__":
    main()
