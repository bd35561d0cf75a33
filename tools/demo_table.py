"""The table of `make demo`: what each pack costs and gives, from the verbs' own JSON.

    python3 tools/demo_table.py build/release/octet build/models/bf16.octet build/models/fp8.octet
"""
import json
import os
import subprocess
import sys
import time

TEXT = "examples/perplexity.txt"


def run(*words):
    """The JSON that a call of octet prints, its resident memory in bytes at most, and its seconds."""
    begin = time.monotonic()
    process = subprocess.Popen([*words, "--json"], stdout=subprocess.PIPE)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"demo_table.py: {' '.join(words)} failed")
    return json.loads(output), usage.ru_maxrss * 1024, time.monotonic() - begin


def measure(octet, model):
    """One column: rows of (what, value)."""
    # The second call finds the file in the page cache: what a user waits for from then on.
    run(octet, "run", model, "--prompt", "Hello", "--max-tokens", "1")
    answer, memory, seconds = run(octet, "run", model, "--prompt", "Hello", "--max-tokens", "1")
    quality, _, _ = run(octet, "eval", "perplexity", model, "--text", TEXT)
    speeds, _, _ = run(octet, "bench", model, "--prompt-tokens", "512", "--gen-tokens", "128")
    best = {}
    for entry in speeds:
        best[entry["test"]] = max(best.get(entry["test"], 0), entry["tokens_per_second"]["median"])
    return [
        ("file size", f"{os.path.getsize(model) / 1e6:.1f} MB"),
        ("resident memory", f"{memory / 1e6:.1f} MB"),
        ("load time", f"{answer['timings']['load_seconds']:.3f} s"),
        ("start to first token", f"{seconds:.2f} s"),
        ("perplexity", f"{quality['perplexity']:.3f}"),
        ("reading a prompt", f"{best['pp512']:.1f} tokens/s"),
        ("writing", f"{best['tg128']:.1f} tokens/s"),
    ]


def main(octet, *models):
    columns = [measure(octet, model) for model in models]
    names = [os.path.basename(model).removesuffix(".octet").upper() for model in models]
    print(f"{'':24}" + "".join(f"{name:>18}" for name in names))
    for row, (what, _) in enumerate(columns[0]):
        print(f"{what:24}" + "".join(f"{column[row][1]:>18}" for column in columns))


main(*sys.argv[1:])
