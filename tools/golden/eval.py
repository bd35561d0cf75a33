"""Goldens of the evaluation's statistics, computed by torch and numpy in double precision.

    python tools/golden/eval.py     writes tests/golden/eval/scores.json
"""
import json
import pathlib

import numpy
import torch

ROWS, VOCABULARY = 12, 40


def main():
    generator = torch.Generator().manual_seed(7)
    a = torch.randn(ROWS, VOCABULARY, generator=generator) * 4
    b = a + torch.randn(ROWS, VOCABULARY, generator=generator)
    a[3] += 2.0e4  # far beyond what exp can hold without the shift
    b[4] = a[4]  # equal predictions: no divergence
    b[5] -= 2.0e4
    targets = torch.randint(VOCABULARY, (ROWS,), generator=generator)

    log_a, log_b = (x.double().log_softmax(-1) for x in (a, b))
    nll_a, nll_b = (-x.gather(1, targets[:, None])[:, 0] for x in (log_a, log_b))
    kl = torch.nn.functional.kl_div(log_b, log_a, reduction="none", log_target=True).sum(-1)
    mean = nll_a.mean()
    error = mean.exp() * (nll_a.var(unbiased=False) / (ROWS - 1)).sqrt()
    golden = {
        "a": a.tolist(), "b": b.tolist(), "targets": targets.tolist(),
        "log_sum_exp_a": a.double().logsumexp(-1).tolist(),
        "nll_a": nll_a.tolist(), "nll_b": nll_b.tolist(), "kl": kl.tolist(),
        "same_top": (a.argmax(-1) == b.argmax(-1)).tolist(),
        "perplexity_a": mean.exp().item(), "perplexity_error_a": error.item(),
        "kl_p50": numpy.quantile(kl.numpy(), 0.5), "kl_p99": numpy.quantile(kl.numpy(), 0.99),
    }
    path = pathlib.Path(__file__).parents[2] / "tests/golden/eval/scores.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
