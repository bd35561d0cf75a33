"""Makes tests/golden/quantize/smoothquant.json: how far products of INT8 inputs and INT8 weights are off with each alpha of SmoothQuant, computed in double.

    python tools/golden/smoothquant.py            needs torch; after calibrated.py

The matrix and the inputs of calibrated.json. Factors are max|x|^alpha / max|w|^(1 - alpha) of each input (Xiao et al. 2022, equation 4) over the root of the smallest times the largest, 1 where either is 0; weights times
them are rounded with a scale a row, amax / 127 rounded to BF16, inputs divided by them with a scale a token, amax / 127. `plain` is the squared error without factors, `errors` of
alpha = 0, 0.05 .. 1.
"""

import json
import pathlib

import torch

GOLDEN = pathlib.Path(__file__).parents[2] / "tests/golden/quantize"


def rounded(values, scales):
    scales = torch.where(scales == 0, 1.0, scales)
    return (values / scales).round().clamp(-127, 127) * scales


def squared_error(x, w, factors):
    scaled = w * factors
    weights = rounded(scaled, (scaled.abs().amax(1, keepdim=True) / 127).bfloat16().double())
    divided = x / factors
    inputs = rounded(divided, divided.abs().amax(1, keepdim=True) / 127)
    return ((inputs @ weights.T - x @ w.T) ** 2).sum().item()


def main():
    data = json.loads((GOLDEN / "calibrated.json").read_text())
    w = torch.tensor(data["weights"], dtype=torch.float64).reshape(data["rows"], data["columns"])
    x = torch.tensor(data["inputs"], dtype=torch.float64).reshape(-1, data["columns"])
    of_inputs, of_weights = x.abs().amax(0), w.abs().amax(0)
    live, errors = (of_inputs != 0) & (of_weights != 0), []
    for step in range(21):
        alpha = step / 20
        factors = of_inputs**alpha / of_weights ** (1 - alpha)
        factors /= (factors[live].min() * factors[live].max()).sqrt()
        errors.append(squared_error(x, w, torch.where(live, factors, 1.0)))
    golden = {"plain": squared_error(x, w, torch.ones(data["columns"])), "errors": errors}
    print(golden)
    (GOLDEN / "smoothquant.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
