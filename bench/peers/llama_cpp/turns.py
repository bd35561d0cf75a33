"""Runs octet bench and llama-bench by turns and prints the medians as a Markdown table. Called by the script `run` beside it."""
import argparse
import json
import pathlib
import statistics
import subprocess

TESTS = {"pp512": (512, 0), "tg128": (0, 128)}


def octet(args, test, threads):
    prompt, generate = TESTS[test]
    command = [args.octet, "bench", args.pack, "--threads", str(threads), "--prompt-tokens", str(prompt), "--gen-tokens",
               str(generate), "--repetitions", "1", "--load", "copy", "--json"]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)[0]
    return result["tokens_per_second"]["median"]


def llama(args, test, threads):
    prompt, generate = TESTS[test]
    command = [args.llama_bench, "-m", args.gguf, "-t", str(threads), "-p", str(prompt), "-n", str(generate), "-r", "1", "-o", "json"]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)[0]
    return result["avg_ts"]


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown processor"


def main():
    parser = argparse.ArgumentParser()
    for name in ["octet", "llama-bench", "pack", "gguf"]:
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", required=True)
    args = parser.parse_args()

    rates = {}
    for threads in args.threads:
        for test in TESTS:
            for _ in range(args.rounds):
                for program, measure in [("octet", octet), ("llama.cpp", llama)]:
                    rates.setdefault((program, threads, test), []).append(measure(args, test, threads))
    print(f"{processor()}, {args.rounds} turns, medians\n")
    print("| model | program | threads | pp512 tokens/s | tg128 tokens/s |\n|---|---|---|---|---|")
    for threads in args.threads:
        for program, model in [("octet", args.pack), ("llama.cpp", args.gguf)]:
            pp, tg = (statistics.median(rates[program, threads, test]) for test in TESTS)
            print(f"| {pathlib.Path(model).name} | {program} | {threads} | {pp:.0f} | {tg:.0f} |")


if __name__ == "__main__":
    main()
