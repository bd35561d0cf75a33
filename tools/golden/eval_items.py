#!/usr/bin/env python3
"""Test items of `octet eval choices` and `octet eval generate`: examples/eval/*.jsonl.

    python3 tools/golden/eval_items.py

The facts are common knowledge, the wording is this script's own. Choices differ in length, and some are written with
letters of two and three bytes, so that the three ways to normalise a likelihood choose differently.
"""
import json
import pathlib
import random

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "examples" / "eval"

CAPITALS = {
    "France": "Paris", "Italy": "Rome", "Japan": "Tokyo", "Egypt": "Cairo", "Canada": "Ottawa", "Norway": "Oslo",
    "Peru": "Lima", "Kenya": "Nairobi", "Greece": "Athens", "Poland": "Warsaw", "Portugal": "Lisbon",
    "Austria": "Vienna", "Iceland": "Reykjavík", "Paraguay": "Asunción", "Cameroon": "Yaoundé", "Togo": "Lomé",
    "Moldova": "Chișinău", "Brazil": "Brasília",
}
OPPOSITES = {
    "hot": "cold", "early": "late", "empty": "full", "heavy": "light", "rough": "smooth", "narrow": "wide",
    "ancient": "modern", "generous": "mean", "shallow": "deep", "temporary": "permanent", "noisy": "quiet",
    "cheap": "expensive",
}
KINDS = {
    "a sparrow": "a bird", "a salmon": "a fish", "an oak": "a tree", "a violin": "a musical instrument",
    "a hammer": "a tool", "copper": "a metal", "a daisy": "a flower", "a beetle": "an insect",
    "a trout": "a fish", "a carrot": "a vegetable that grows under the ground", "a cello": "a musical instrument",
    "a pine": "a tree",
}
MATERIALS = {
    "Bread is baked from": "flour", "Windows are made of": "glass", "Candles are made of": "wax",
    "Paper is made from": "wood", "Cheese is made from": "milk", "Wine is made from": "grapes",
    "Tyres are made of": "rubber", "Honey is made by": "bees",
}


def others(values, right, count, draw):
    pool = sorted(set(values) - {right})
    return draw.sample(pool, count)


def choices_of(table, question, draw):
    items = []
    for key, right in table.items():
        choices = others(table.values(), right, 3, draw) + [right]
        draw.shuffle(choices)
        items.append({"question": question(key), "choices": choices, "answer": choices.index(right)})
    return items


def sums_as_choices(count, draw):
    items = []
    for _ in range(count):
        a, b = draw.randint(2, 60), draw.randint(2, 60)
        wrong = draw.sample([n for n in range(max(1, a + b - 12), a + b + 13) if n != a + b], 3)
        choices = [str(n) for n in wrong + [a + b]]
        draw.shuffle(choices)
        items.append({"question": f"Question: What is {a} plus {b}?\nAnswer:", "choices": choices,
                      "answer": choices.index(str(a + b))})
    return items


def choice_items(draw):
    items = choices_of(CAPITALS, lambda key: f"Question: What is the capital of {key}?\nAnswer:", draw)
    items += choices_of(OPPOSITES, lambda key: f"The opposite of {key} is", draw)
    items += choices_of(KINDS, lambda key: f"Everyone knows that {key} is", draw)
    items += choices_of(MATERIALS, lambda key: key, draw)
    items += sums_as_choices(15, draw)
    draw.shuffle(items)
    return items


def answer_items(draw):
    items = [{"question": f"Q: What is the capital of {key}?\nA:", "answer": right} for key, right in CAPITALS.items()]
    items += [{"question": f"Q: What is the opposite of {key}?\nA:", "answer": [right, right.capitalize()]}
              for key, right in OPPOSITES.items()]
    for _ in range(15):
        a, b = draw.randint(2, 20), draw.randint(2, 20)
        items.append({"question": f"Q: What is {a} + {b}?\nA:", "answer": str(a + b)})
    draw.shuffle(items)
    return items


def write(name, items):
    lines = [json.dumps(item, ensure_ascii=False) for item in items]
    (FOLDER / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    draw = random.Random(20)
    choices, answers = choice_items(draw), answer_items(draw)
    FOLDER.mkdir(parents=True, exist_ok=True)
    write("choices.jsonl", choices[:60])
    write("solved_choices.jsonl", choices[60:])
    write("answers.jsonl", answers[:40])
    write("solved_answers.jsonl", answers[40:])


if __name__ == "__main__":
    main()
