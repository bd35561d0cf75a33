"""Goldens of the quantisation recipes, computed by torch.

    python tools/golden/quantize.py     writes tests/golden/quantize/{fp8_rows,fp8_blocks,int8_rows,int4_groups,int4_zeros,nvfp4_rows}.json

INT8 codes are weight / scale with scale = amax / 127 of the row; INT4 codes are in groups of 32 columns, the last of which is short, with
the scale of least squared error among the largest weight over ENDS. INT4 with zero points is compressed-tensors' own but for its scales,
which are rounded to BF16. Both scales are rounded to BF16 first. The packed
words are those of compressed-tensors. Per-channel FP8 as compressed-tensors' FP8_DYNAMIC preset stores it: code = E4M3(weight / scale). The scale is the one of least squared
error among amax / 448 * 2^(i / 8), i = 0 .. 7. FP8 in blocks has such scales of 128 x 128 weights, the last ones short;
its weights are a formula that FP32 holds, its codes in hexadecimal. NVFP4 is compressed-tensors' own:
its global scale, its packed codes, and of its scales and the seven E4M3 numbers above each the one of least squared error.
"""
import json
import pathlib

import torch
from compressed_tensors.compressors.nvfp4.helpers import quantize_and_pack_fp4, unpack_fp4_from_uint8
from compressed_tensors.compressors.pack_quantized import PackedQuantizationCompressor
from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme, preset_name_to_scheme
from compressed_tensors.quantization.utils import calculate_qparams, generate_gparam


ROWS, COLUMNS, GROUP = 24, 40, 32
ENDS = [-8, -7.75, -7.5, -7.25, -7, -6.75, -6.5, -6.25, -6, 7, 6.75, 6.5, 6.25, 6]


def encode(weights, scales):
    return (weights / scales).clamp(-448, 448).to(torch.float8_e4m3fn)


def least_squares_scales(weights):
    """Of each row; the last axis has what shares a scale."""
    smallest = weights.abs().amax(-1, keepdim=True) / 448
    scales, least = smallest.clone(), torch.full_like(smallest, float("inf"), dtype=torch.float64)
    for step in range(8):
        candidates = smallest * torch.tensor(2 ** (step / 8), dtype=torch.float64).float()
        change = weights - encode(weights, candidates).float() * candidates
        noise = (change.double() ** 2).sum(-1, keepdim=True)
        scales = torch.where(noise < least, candidates, scales)
        least = torch.minimum(noise, least)
    scales[smallest == 0] = 1
    return scales


def stored(scales):
    scales = scales.bfloat16().float()
    return torch.where(scales == 0, torch.ones_like(scales), scales)


def integer_codes(weights, scales, lowest, highest):
    return (weights / scales).clamp(lowest, highest).round()


def int4_group(weights):
    best, least = None, float("inf")
    for end in ENDS:
        scales = stored(weights[weights.abs().argmax()] / end)
        codes = integer_codes(weights, scales, -8, 7)
        noise = sum(((weights - codes * scales).double() ** 2).tolist())
        if noise < least:
            best, least = (codes, scales), noise
    return best


def int4(weights):
    codes, scales = [], []
    for row in weights:
        groups = [int4_group(group) for group in row.split(GROUP)]
        codes.append(torch.cat([group[0] for group in groups]))
        scales.append(torch.stack([group[1] for group in groups]))
    return torch.stack(codes), torch.stack(scales)


def write(name, weights, scales, codes, bits=None):
    path = pathlib.Path(__file__).parents[2] / "tests/golden/quantize" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    golden = {"weights": weights.tolist(), "scales": scales.tolist(), "codes": codes.tolist()}
    if bits:
        words = pack_to_int32(codes.to(torch.int8), bits)
        golden["words"] = words.tolist()
    path.write_text(json.dumps(golden) + "\n")


def nvfp4(weights):
    arguments = preset_name_to_scheme("NVFP4A16", ["Linear"]).weights
    global_scale = generate_gparam(weights.min(), weights.max())
    blocks = weights.reshape(len(weights), -1, arguments.group_size)
    smallest, _ = calculate_qparams(blocks.amin(-1), blocks.amax(-1), arguments, global_scale=global_scale)
    codes = smallest.to(torch.float8_e4m3fn).view(torch.uint8)
    scales, least = smallest.clone(), torch.full_like(smallest, float("inf"), dtype=torch.float64)
    for step in range(8):
        candidates = (codes + step).clamp(max=0x7E).view(torch.float8_e4m3fn).float()
        packed = quantize_and_pack_fp4(weights, candidates, global_scale, None, arguments.group_size)
        values = unpack_fp4_from_uint8(packed, *weights.shape, dtype=torch.float32).reshape(blocks.shape)
        noise = ((blocks - values * (candidates / global_scale)[..., None]).double() ** 2).sum(-1)
        scales = torch.where(noise < least, candidates, scales.float())
        least = torch.minimum(noise, least)
    return global_scale, scales, quantize_and_pack_fp4(weights, scales, global_scale, None, arguments.group_size)


def write_nvfp4(weights):
    global_scale, scales, packed = nvfp4(weights)
    path = pathlib.Path(__file__).parents[2] / "tests/golden/quantize/nvfp4_rows.json"
    golden = {"weights": weights.tolist(), "global": global_scale.item(),
              "scales": scales.to(torch.float8_e4m3fn).view(torch.uint8).tolist(), "packed": packed.tolist()}
    path.write_text(json.dumps(golden) + "\n")


def write_fp8_blocks(rows=131, columns=140, side=128):
    place = torch.arange(rows * columns)
    weights = ((place * 7919 % 2001 - 1000) / 1024 * 2.0 ** (place % 5)).float().reshape(rows, columns)
    weights[:128, 128:] = 0
    grid = torch.nn.functional.pad(weights, (0, -columns % side, 0, -rows % side))
    blocks = grid.unflatten(1, (-1, side)).unflatten(0, (-1, side)).transpose(1, 2).flatten(2)
    scales = least_squares_scales(blocks)[..., 0]
    codes = encode(weights, scales.repeat_interleave(side, 0).repeat_interleave(side, 1)[:rows, :columns])
    path = pathlib.Path(__file__).parents[2] / "tests/golden/quantize/fp8_blocks.json"
    path.write_text(json.dumps({"rows": rows, "columns": columns, "scales": scales.flatten().tolist(),
                                "codes": codes.view(torch.uint8).numpy().tobytes().hex()}) + "\n")


def asymmetric_scheme(group):
    """INT4 with zero points, as `symmetric: false` asks for."""
    arguments = QuantizationArgs(num_bits=4, type="int", strategy="group", group_size=group, symmetric=False)
    return QuantizationScheme(targets=["Linear"], weights=arguments)


def write_int4_zeros(weights):
    scheme = asymmetric_scheme(GROUP)
    groups = weights.reshape(len(weights), -1, GROUP)
    scales, zeros = calculate_qparams(groups.amin(-1), groups.amax(-1), scheme.weights)
    scales, zeros = stored(scales), zeros.to(torch.int8)
    packed = PackedQuantizationCompressor.compress(
        {"weight": weights, "weight_scale": scales, "weight_zero_point": zeros}, scheme)
    decoded = PackedQuantizationCompressor.decompress(packed, scheme)
    unsigned = lambda words: (words.long() & 0xFFFFFFFF).tolist()
    golden = {"words": unsigned(packed["weight_packed"]), "zero_words": unsigned(packed["weight_zero_point"]),
              "scales": scales.tolist(), "zeros": zeros.tolist(), "decoded": decoded["weight"].tolist()}
    path = pathlib.Path(__file__).parents[2] / "tests/golden/quantize/int4_zeros.json"
    path.write_text(json.dumps(golden) + "\n")


def main():
    generator = torch.Generator().manual_seed(11)
    weights = torch.randn(ROWS, COLUMNS, generator=generator)
    weights *= torch.logspace(-6, 5, ROWS)[:, None]  # every row needs a scale of its own
    weights[2] = 0  # nothing to scale
    weights[5, 3] = weights[5].abs().max() * 1e4  # an outlier pushes the rest into E4M3's subnormals
    weights[7, 1:] = 0
    scales = least_squares_scales(weights)
    codes = encode(weights, scales)
    write("fp8_rows.json", weights, scales[:, 0], codes.view(torch.uint8))
    write_fp8_blocks()
    scales = stored(weights.abs().amax(1, keepdim=True) / 127)
    write("int8_rows.json", weights, scales, integer_codes(weights, scales, -127, 127), bits=8)
    codes, scales = int4(weights)
    write("int4_groups.json", weights, scales, codes, bits=4)
    weights = torch.randn(ROWS, 48, generator=generator) * torch.logspace(-2.5, 0, ROWS)[:, None]
    weights[5, 3] = weights.abs().max() * 10
    write_nvfp4(weights)
    write_int4_zeros(torch.randn(21, 64, generator=generator) * torch.logspace(-2, 0, 21)[:, None] + 0.003)


if __name__ == "__main__":
    main()
