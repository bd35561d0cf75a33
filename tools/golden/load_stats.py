"""Goldens of what a load run comes to, computed by numpy from the times of made-up requests.

    python tools/golden/load_stats.py     writes tests/golden/serve/load_stats.json
"""
import json
import pathlib

import numpy

LIMITS = {"ttft": 0.9, "itl": 0.5, "tpot": 0.16, "e2e": 3.0}


def main():
    generator = numpy.random.default_rng(11)
    records = []
    for i in range(40):
        sent = float(generator.uniform(0, 30))
        count = 1 if i == 7 else int(generator.integers(2, 24))
        pieces = (sent + numpy.cumsum(generator.exponential(0.15, count) + 0.01)).tolist()
        records.append({"sent": sent, "pieces": pieces, "ended": pieces[-1] + float(generator.uniform(0, 0.02)),
                        "prompt_tokens": int(generator.integers(1, 300)), "answer_tokens": count + (i % 3),
                        "failure": "HTTP 503" if i % 9 == 4 else ""})
    records[7]["answer_tokens"] = 1  # nothing between tokens
    records[4]["ended"] = 99.0  # a failed one that takes longest counts for the time, and for nothing else

    good = [r for r in records if not r["failure"]]
    values = {
        "ttft": [r["pieces"][0] - r["sent"] for r in good],
        "itl": numpy.concatenate([numpy.diff(r["pieces"]) for r in good]).tolist(),
        "tpot": [(r["pieces"][-1] - r["pieces"][0]) / (r["answer_tokens"] - 1) for r in good if r["answer_tokens"] > 1],
        "e2e": [r["ended"] - r["sent"] for r in good]}
    seconds = max(r["ended"] for r in records) - min(r["sent"] for r in records)

    def meets(r):
        gaps = numpy.diff(r["pieces"])
        tpot = (r["pieces"][-1] - r["pieces"][0]) / (r["answer_tokens"] - 1) if r["answer_tokens"] > 1 else 0
        seen = {"ttft": r["pieces"][0] - r["sent"], "itl": gaps.max() if len(gaps) else 0, "tpot": tpot,
                "e2e": r["ended"] - r["sent"]}
        return all(seen[name] <= limit for name, limit in LIMITS.items())

    count = sum(meets(r) for r in good)
    assert 5 < count < len(good) - 5, count
    golden = {
        "records": records, "limits": [f"{name}={limit}s" for name, limit in LIMITS.items()],
        "answered": len(good), "failed": len(records) - len(good), "seconds": seconds,
        "requests_per_second": len(good) / seconds,
        "answer_tokens_per_second": sum(r["answer_tokens"] for r in good) / seconds,
        "all_tokens_per_second": sum(r["answer_tokens"] + r["prompt_tokens"] for r in good) / seconds,
        "goodput": count / seconds}
    for name, list_ in values.items():
        golden[name] = {"mean": float(numpy.mean(list_))}
        golden[name].update({f"p{q}": float(numpy.percentile(list_, q)) for q in (50, 90, 95, 99)})
    path = pathlib.Path(__file__).parents[2] / "tests/golden/serve/load_stats.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
