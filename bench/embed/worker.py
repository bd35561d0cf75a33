"""One peer with its encoder loaded: reads a line from standard input, embeds all texts once and prints `rate TEXTS_PER_SECOND`,
tokenising included; mean pooling and vectors of length 1.

    python3 worker.py torch-f32|torch-bf16|openvino-f32 MODEL TEXTS.jsonl THREADS BATCH LENGTH"""
import json
import sys
import time


def torch_encoder(model, threads, dtype):
    import torch
    from transformers import AutoModel

    torch.set_num_threads(threads)
    encoder = AutoModel.from_pretrained(model, dtype=getattr(torch, dtype)).eval()

    @torch.inference_mode()
    def run(tokens):
        hidden = encoder(**tokens).last_hidden_state.float()
        mask = tokens["attention_mask"][..., None]
        return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)

    return run, "pt"


def openvino_encoder(model, threads):
    import numpy
    import openvino
    import torch
    from transformers import AutoModel

    encoder = AutoModel.from_pretrained(model, dtype=torch.float32, attn_implementation="eager").eval()
    example = {name: torch.ones((2, 16), dtype=torch.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
    converted = openvino.convert_model(encoder, example_input=example)
    compiled = openvino.Core().compile_model(converted, "CPU", {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32",
                                                                "PERFORMANCE_HINT": "LATENCY"})

    def run(tokens):
        hidden = compiled({name: tokens[name] for name in example})[0]
        mask = tokens["attention_mask"][..., None]
        mean = (hidden * mask).sum(1) / mask.sum(1)
        return mean / numpy.linalg.norm(mean, axis=1, keepdims=True)

    return run, "np"


def main():
    kind, model, texts, threads, batch, length = sys.argv[1:7]
    from transformers import AutoTokenizer

    texts = [json.loads(line) for line in open(texts, encoding="utf-8")]
    tokenizer = AutoTokenizer.from_pretrained(model)
    program, _, dtype = kind.partition("-")
    if program == "openvino":
        run, tensors = openvino_encoder(model, int(threads))
    else:
        run, tensors = torch_encoder(model, int(threads), {"f32": "float32", "bf16": "bfloat16"}[dtype])

    def embed():
        for first in range(0, len(texts), int(batch)):
            run(tokenizer(texts[first:first + int(batch)], padding=True, truncation=True, max_length=int(length),
                          return_tensors=tensors))

    embed()
    for _ in sys.stdin:
        start = time.perf_counter()
        embed()
        print(f"rate {len(texts) / (time.perf_counter() - start)}", flush=True)


if __name__ == "__main__":
    main()
