"""Runs octet bench and its peers by turns and prints the medians as a Markdown table. Called by the script `run` beside it.

Each turn measures reading a prompt of 512 tokens (pp512), writing 128 tokens after a short one (tg128) and, of programs that can,
writing 128 tokens of each of --batch sequences at once, once each; the peers in Python stay loaded between their turns (worker.py)."""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

PROMPT, WRITTEN = 512, 128


def output_of(command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Octet:
    """A pack, or random weights of a shape and format."""

    def __init__(self, binary, name, model):
        self.name, self.command = f"octet {name}", [binary, "bench", *model]

    def measure(self, test, threads, batch):
        prompt, written = (PROMPT, 0) if test == "pp512" else (0, WRITTEN)
        result = json.loads(output_of([*self.command, "--threads", str(threads), "--prompt-tokens", str(prompt), "--gen-tokens",
                                       str(written), "--batch", str(batch), "--repetitions", "1", "--json"]))[0]
        return result["tokens_per_second"]["median"]


class LlamaCpp:
    def __init__(self, directory, gguf):
        self.name, self.directory, self.gguf = f"llama.cpp {pathlib.Path(gguf).name.removesuffix('.gguf')}", pathlib.Path(directory), gguf

    def measure(self, test, threads, batch):
        if batch > 1:
            context = batch * (WRITTEN + 16)
            printed = output_of([self.directory / "llama-batched-bench", "-m", self.gguf, "-t", str(threads), "-c", str(context),
                                 "-b", "2048", "-npp", "16", "-ntg", str(WRITTEN), "-npl", str(batch), "--output-format", "jsonl"])
            return json.loads([line for line in printed.splitlines() if line.startswith("{")][-1])["speed_tg"]
        prompt, written = (PROMPT, 0) if test == "pp512" else (0, WRITTEN)
        return json.loads(output_of([self.directory / "llama-bench", "-m", self.gguf, "-t", str(threads), "-p", str(prompt), "-n",
                                     str(written), "-r", "1", "-o", "json"]))[0]["avg_ts"]


class Worker:
    """A peer in a process of its own for each number of threads, started at its first turn."""

    def __init__(self, kind, model):
        self.name, self.kind, self.model, self.processes = f"{kind} {pathlib.Path(model).name.removesuffix('.gguf')}", kind, model, {}

    def measure(self, test, threads, batch):
        if batch > 1:
            return None
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


def programs_of(args):
    """Octet's models, then the peers'."""
    programs = [Octet(args.octet, pathlib.Path(pack).stem, [pack, "--load", "copy"]) for pack in args.pack]
    programs += [Octet(args.octet, f"{args.shape} {to}", ["--shape", args.shape, "--to", to]) for to in args.to]
    if args.gguf:
        programs.append(LlamaCpp(args.llama_cpp, args.gguf))
        if not args.shape:  # which has no vocabulary
            programs.append(Worker("openvino", args.gguf))
    if args.hf:
        programs.append(Worker("transformers", args.hf))
    return programs


def cell(rates):
    if None in rates:
        return ""
    return f"{statistics.median(rates):.0f} ({min(rates):.0f}-{max(rates):.0f})"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--octet", required=True)
    parser.add_argument("--llama-cpp", required=True, help="the directory of its tools")
    parser.add_argument("--pack", action="append", default=[])
    parser.add_argument("--shape")
    parser.add_argument("--to", nargs="+", default=[])
    parser.add_argument("--gguf")
    parser.add_argument("--hf")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batch", type=int)
    args = parser.parse_args()
    if bool(args.shape) != bool(args.to):
        parser.error("--shape and --to go together, as in --shape qwen2.5-0.5b --to int4 fp8")

    programs = programs_of(args)
    tests = [("pp512", 1), ("tg128", 1)] + ([("tg128", args.batch)] if args.batch else [])
    rates = {}
    for threads in args.threads:
        for test, batch in tests:
            for turn in range(args.rounds):
                for program in programs:
                    rate = program.measure(test, threads, batch)
                    rates.setdefault((program.name, threads, test, batch), []).append(rate)
                    if rate is not None:
                        print(f"{turn + 1}/{args.rounds} {program.name}, {threads} threads, {test} x {batch}: {rate:.1f}", file=sys.stderr)
    print(f"{processor()}, medians of {args.rounds} turns, lowest and highest in brackets, tokens/s\n")
    titles = [test if batch == 1 else f"{test}, {batch} sequences" for test, batch in tests]
    print(f"| program, model | threads | {' | '.join(titles)} |\n|{'---|' * (2 + len(tests))}")
    for threads in args.threads:
        for program in programs:
            cells = [cell(rates[program.name, threads, *test]) for test in tests]
            print(f"| {program.name} | {threads} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
