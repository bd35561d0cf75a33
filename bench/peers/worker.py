"""One peer with its model loaded: reads `pp512` or `tg128` from standard input, runs it once and prints `rate TOKENS_PER_SECOND`.

    python3 worker.py openvino MODEL.gguf THREADS
    python3 worker.py transformers DIRECTORY THREADS

Each prompt has other tokens than the last, so that no cache of prompts answers; a shorter run goes before the first one."""
import random
import sys
import time

WRITTEN = 128


def prompt(length):
    return [random.randrange(1000, 30000) for _ in range(length)]


def openvino(model, threads):
    import numpy
    import openvino
    import openvino_genai

    pipeline = openvino_genai.LLMPipeline(model, "CPU", INFERENCE_NUM_THREADS=threads)

    def generate(ids, count):
        config = openvino_genai.GenerationConfig()
        config.max_new_tokens, config.ignore_eos, config.do_sample = count, True, False
        ids = numpy.array([ids], dtype=numpy.int64)
        inputs = openvino_genai.TokenizedInputs(openvino.Tensor(ids), openvino.Tensor(numpy.ones_like(ids)))
        return pipeline.generate(inputs, config).perf_metrics

    def read(length):
        return length / generate(prompt(length), 1).get_ttft().mean * 1000

    def write(count):
        return 1000 / generate(prompt(8), count + 1).get_tpot().mean

    return read, write


def transformers(model, threads):
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(threads)
    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16).eval()

    @torch.inference_mode()
    def read(length):
        ids = torch.tensor([prompt(length)])
        start = time.perf_counter()
        loaded(ids, use_cache=True, logits_to_keep=1)
        return length / (time.perf_counter() - start)

    @torch.inference_mode()
    def write(count):
        out = loaded(torch.tensor([prompt(8)]), use_cache=True, logits_to_keep=1)
        start = time.perf_counter()
        for _ in range(count):
            out = loaded(out.logits[:, -1].argmax(-1, keepdim=True), past_key_values=out.past_key_values, use_cache=True)
        return count / (time.perf_counter() - start)

    return read, write


def main():
    read, write = {"openvino": openvino, "transformers": transformers}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
    read(64), write(8)
    for line in sys.stdin:
        rate = read(512) if line.strip() == "pp512" else write(WRITTEN)
        print(f"rate {rate}", flush=True)


if __name__ == "__main__":
    main()
