"""Runs octet bench and its peers by turns and prints the medians as a Markdown table. Called by the script `run` beside it.

Each turn measures reading a prompt of 512 tokens (pp512) and writing 128 tokens after a short one (tg128), once each; the peers in
Python stay loaded between their turns (worker.py)."""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

TESTS = {"pp512": (512, 0), "tg128": (0, 128)}


def run_json(command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)[0]


class Octet:
    def __init__(self, binary, pack):
        self.name, self.binary, self.pack = f"octet {pathlib.Path(pack).stem}", binary, pack

    def measure(self, test, threads):
        prompt, generate = TESTS[test]
        result = run_json([self.binary, "bench", self.pack, "--threads", str(threads), "--prompt-tokens", str(prompt), "--gen-tokens",
                           str(generate), "--repetitions", "1", "--load", "copy", "--json"])
        return result["tokens_per_second"]["median"]


class LlamaCpp:
    def __init__(self, binary, gguf):
        self.name, self.binary, self.gguf = f"llama.cpp {pathlib.Path(gguf).stem}", binary, gguf

    def measure(self, test, threads):
        prompt, generate = TESTS[test]
        return run_json([self.binary, "-m", self.gguf, "-t", str(threads), "-p", str(prompt), "-n", str(generate), "-r", "1", "-o",
                         "json"])["avg_ts"]


class Worker:
    """A peer in a process of its own for each number of threads, started at its first turn."""

    def __init__(self, kind, model):
        self.name, self.kind, self.model, self.processes = f"{kind} {pathlib.Path(model).stem}", kind, model, {}

    def measure(self, test, threads):
        if threads not in self.processes:
            program = pathlib.Path(__file__).with_name("worker.py")
            self.processes[threads] = subprocess.Popen([sys.executable, program, self.kind, self.model, str(threads)], text=True,
                                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        process = self.processes[threads]
        process.stdin.write(test + "\n")
        process.stdin.flush()
        for line in process.stdout:
            if line.startswith("rate "):
                return float(line.split()[1])
        raise SystemExit(f"{self.name} ended with code {process.wait()}; run worker.py by hand to see why")


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown processor"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--octet", required=True)
    parser.add_argument("--llama-bench", required=True)
    parser.add_argument("--pack", action="append", required=True)
    parser.add_argument("--gguf")
    parser.add_argument("--hf")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()

    programs = [Octet(args.octet, pack) for pack in args.pack]
    if args.gguf:
        programs += [LlamaCpp(args.llama_bench, args.gguf), Worker("openvino", args.gguf)]
    if args.hf:
        programs.append(Worker("transformers", args.hf))
    rates = {}
    for threads in args.threads:
        for test in TESTS:
            for turn in range(args.rounds):
                for program in programs:
                    rate = program.measure(test, threads)
                    rates.setdefault((program.name, threads, test), []).append(rate)
                    print(f"{turn + 1}/{args.rounds} {program.name}, {threads} threads, {test}: {rate:.1f}", file=sys.stderr)
    print(f"{processor()}, medians of {args.rounds} turns, lowest and highest in brackets\n")
    print("| program, model | threads | pp512 tokens/s | tg128 tokens/s |\n|---|---|---|---|")
    for threads in args.threads:
        for program in programs:
            cells = [rates[program.name, threads, test] for test in TESTS]
            print(f"| {program.name} | {threads} | " +
                  " | ".join(f"{statistics.median(cell):.0f} ({min(cell):.0f}-{max(cell):.0f})" for cell in cells) + " |")


if __name__ == "__main__":
    main()
