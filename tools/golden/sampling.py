"""Final distributions of the sampler, computed with PyTorch in float64 by sorting: tests/golden/sampling/cases.json.

    python tools/golden/sampling.py > tests/golden/sampling/cases.json

Each case: logits (multiples of 1/8, so that ties happen), tokens seen, options, and the probability of each token after all
steps. Cases in which a rounding error could move a token over a boundary are left out.
"""
import json
import random

import torch


def processed(case):
    x = torch.tensor(case["logits"], dtype=torch.float64)
    vocab = len(x)
    o = case["options"]
    if o["allowed"]:
        mask = torch.ones(vocab, dtype=torch.bool)
        mask[o["allowed"]] = False
        x = x.masked_fill(mask, -torch.inf)
    if o["banned"]:
        x[o["banned"]] = -torch.inf
    if len(case["output"]) < o["min_tokens"]:
        x[case["end_tokens"]] = -torch.inf
    for token, bias in o["bias"]:
        x[token] += bias
    counts = torch.bincount(torch.tensor(case["output"], dtype=torch.int64), minlength=vocab)
    seen = counts + torch.bincount(torch.tensor(case["prompt"], dtype=torch.int64), minlength=vocab) > 0
    repetition = torch.where(seen, o["repetition"], 1.0).to(torch.float64)
    x = torch.where(x > 0, x / repetition, x * repetition)
    x = x - o["frequency"] * counts
    x = x - o["presence"] * (counts > 0)
    return x


def distribution(case):
    """Probabilities after every step, and whether some token stands within 1e-5 of a boundary."""
    x = processed(case)
    o = case["options"]
    if o["temperature"] < 1e-5:
        best = int(x.argmax())
        best = int((x == x[best]).nonzero()[0])
        return torch.nn.functional.one_hot(torch.tensor(best), len(x)).to(torch.float64), False
    x = x / o["temperature"]
    p = x.softmax(0)
    near = False
    if o["min_p"] > 0:
        limit = o["min_p"] * p.max()
        near |= bool(((p - limit).abs() < 1e-5 * limit).any())
        x = x.masked_fill(p < limit, -torch.inf)
    order = torch.argsort(x, descending=True, stable=True)  # stable: the lower id first
    if o["top_k"]:
        x[order[o["top_k"]:]] = -torch.inf
    if o["top_p"] < 1:
        q = x.softmax(0)[order]
        before = q.cumsum(0) - q
        near |= bool(((before - o["top_p"]).abs() < 1e-5).any())
        drop = before >= o["top_p"]
        drop[0] = False
        x[order[drop]] = -torch.inf
    return x.softmax(0), near


def random_case(rng):
    vocab = rng.choice([5, 40, 130, 700])
    options = {
        "temperature": rng.choice([0.0, 0.5, 0.75, 1.0, 2.0]),
        "top_k": rng.choice([0, 0, 1, 3, 20, 1000]),
        "top_p": rng.choice([1.0, 1.0, 0.1, 0.5, 0.9, 0.99]),
        "min_p": rng.choice([0.0, 0.0, 0.03, 0.3, 1.0]),
        "repetition": rng.choice([1.0, 1.0, 1.25, 0.75]),
        "frequency": rng.choice([0.0, 0.25, -0.5]),
        "presence": rng.choice([0.0, 0.5]),
        "allowed": sorted(rng.sample(range(vocab), vocab // 2 + 1)) if rng.random() < 0.2 else [],
        "banned": rng.sample(range(vocab), 2) if rng.random() < 0.2 else [],
        "bias": [[rng.randrange(vocab), rng.choice([-100, -1.5, 2.0])] for _ in range(rng.choice([0, 0, 2]))],
        "min_tokens": rng.choice([0, 0, 4]),
    }
    return {
        "logits": [rng.randint(-40, 40) / 8 for _ in range(vocab)],
        "prompt": [rng.randrange(vocab) for _ in range(6)],
        "output": [rng.randrange(vocab) for _ in range(3)],
        "end_tokens": [rng.randrange(vocab)],
        "options": options,
    }


def main():
    rng = random.Random(20)
    cases = []
    while len(cases) < 160:
        case = random_case(rng)
        probabilities, near = distribution(case)
        if near or not bool(torch.isfinite(probabilities).all()):
            continue
        case["probabilities"] = {str(i): float(f"{p:.9g}") for i, p in enumerate(probabilities.tolist()) if p > 0}
        cases.append(case)
    print(json.dumps(cases, separators=(",", ":")))


if __name__ == "__main__":
    main()
