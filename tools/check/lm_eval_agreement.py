"""Holds `octet eval choices` and `octet eval generate` against lm-evaluation-harness on the same JSONL: the harness runs the model by
transformers in FP32, Octet the same checkpoint; every item must come out the same, by every way to choose, and likelihoods nearly so.

    python tools/check/lm_eval_agreement.py MODEL [OCTET]      needs torch, transformers, lm_eval (0.4)

MODEL is a directory with FP32 weights. Exits with 1 where an item differs, with 77 and a reason where a package is missing. Items:
examples/eval, by tools/golden/eval_items.py.
"""
import json
import os
import pathlib
import subprocess
import sys

os.environ.update(HF_DATASETS_OFFLINE="1", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

try:
    import lm_eval
    import torch
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.models.huggingface import HFLM
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "examples" / "eval"
# Sums over a few tokens in FP32, in another order, of logits near 20.
TOLERANCE = 1e-3
SHOTS = 5
MAX_TOKENS = 16


def common(kind, name, shots):
    return {
        "task": f"{kind}_{shots}", "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(FOLDER / f"{name}.jsonl"),
                                          "solved": str(FOLDER / f"solved_{name}.jsonl")}},
        "test_split": "test", "fewshot_split": "solved", "fewshot_config": {"sampler": "first_n"}, "num_fewshot": shots,
        "doc_to_text": "{{question}}", "output_type": kind,
    }


def choices_task(shots):
    return ConfigurableTask(config=common("multiple_choice", "choices", shots) | {
        "doc_to_choice": "{{choices}}", "doc_to_target": "{{answer}}",
        "metric_list": [{"metric": name, "aggregation": "mean", "higher_is_better": True}
                        for name in ("acc", "acc_norm", "acc_bytes")],
    })


def first_answer(document):
    return document["answer"][0] if isinstance(document["answer"], list) else str(document["answer"])


def answers_task(shots):
    # `datasets` reads an answer of digits as a number where others are lists, and the harness refuses it in an example: examples
    # are part of the text here.
    solved = [json.loads(line) for line in (FOLDER / "solved_answers.jsonl").read_text(encoding="utf-8").splitlines()]
    before = "".join(f"{item['question']} {first_answer(item)}\n\n" for item in solved[:shots])
    return ConfigurableTask(config=common("generate_until", "answers", 0) | {
        "task": f"generate_until_{shots}",
        "doc_to_text": lambda document: before + document["question"],
        "doc_to_target": first_answer,
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": MAX_TOKENS, "do_sample": False},
        "filter_list": [{"name": "stripped", "filter": [{"function": "remove_whitespace"}, {"function": "take_first"}]}],
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    })


def run_harness(model, task):
    name = task.config.task
    results = lm_eval.simple_evaluate(model=model, tasks=[task], log_samples=True, bootstrap_iters=0)
    samples = sorted(results["samples"][name], key=lambda sample: sample["doc_id"])
    return results["results"][name], samples


def run_octet(octet, words):
    return json.loads(subprocess.run([octet, "eval", *words, "--dtype", "f32", "--json", "--per-item"], check=True,
                                     stdout=subprocess.PIPE).stdout)


def shot_words(name, shots):
    return ["--examples", str(FOLDER / f"solved_{name}.jsonl"), "--shots", str(shots)] if shots else []


def check_choices(model, directory, octet, shots):
    totals, samples = run_harness(model, choices_task(shots))
    ours = run_octet(octet, ["choices", directory, "--items", str(FOLDER / "choices.jsonl"),
                             *shot_words("choices", shots)])
    bad, largest = 0, 0.0
    for sample, item in zip(samples, ours["per_item"], strict=True):
        theirs = [float(response[0]) for response in sample["filtered_resps"]]
        largest = max([largest] + [abs(a - b) for a, b in zip(theirs, item["log_likelihoods"], strict=True)])
        for way in ("acc", "acc_norm", "acc_bytes"):
            if (item[way] == item["answer"]) != bool(sample[way]):
                bad += 1
                print(f"item {sample['doc_id']} {way}: harness {theirs}, octet {item}")
    for way in ("acc", "acc_norm", "acc_bytes"):
        print(f"choices, {shots} shots: {way} harness {totals[way + ',none']:.4f}, octet {ours[way]:.4f}")
    print(f"  largest difference of a log-likelihood {largest:.2e} nats, {bad} differences in {len(samples)} items")
    return bad == 0 and largest <= TOLERANCE


def check_answers(model, directory, octet, shots):
    _, samples = run_harness(model, answers_task(shots))
    ours = run_octet(octet, ["generate", directory, "--items", str(FOLDER / "answers.jsonl"), "--until", "\n",
                             "--max-tokens", str(MAX_TOKENS), *shot_words("answers", shots)])
    bad = right = 0
    for sample, item in zip(samples, ours["per_item"], strict=True):
        # The harness takes one answer; any of the document's is right to Octet.
        answers = sample["doc"]["answer"]
        answers = answers if isinstance(answers, list) else [str(answers)]
        text = sample["resps"][0][0]
        is_right = text.strip() in answers
        right += is_right
        if text != item["text"] or is_right != item["exact_match"]:
            bad += 1
            print(f"item {sample['doc_id']}: harness {text!r}, octet {item}")
    print(f"answers, {shots} shots: exact_match harness {right / len(samples):.4f}, octet {ours['exact_match']:.4f}, "
          f"{bad} differences in {len(samples)} items")
    return bad == 0


def main():
    directory = sys.argv[1]
    octet = sys.argv[2] if len(sys.argv) > 2 else "build/release/octet"
    torch.manual_seed(0)
    model = HFLM(pretrained=directory, dtype="float32", device="cpu", batch_size=8)
    print(f"lm_eval {lm_eval.__version__}")
    checks = [check(model, directory, octet, shots) for check in (check_choices, check_answers) for shots in (0, SHOTS)]
    sys.exit(0 if all(checks) else 1)


if __name__ == "__main__":
    main()
