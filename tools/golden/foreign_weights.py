"""Goldens of the layouts in which other programs store quantised matrices, packed here from their specifications with numpy alone.

    python tools/golden/foreign_weights.py     writes tests/golden/quantize/foreign_weights.safetensors

Each case is a matrix of 64 outputs and 96 inputs in groups of 32 (blocks of 16 for NVFP4): the tensors `CASE.SUFFIX` as a checkpoint
names them behind the module, and `CASE.decoded`, FP32, what they stand for. Codes are drawn, so that no quantiser stands between.

AutoAWQ: a word has outputs 0, 2, 4, 6, 1, 3, 5, 7 of its eight. GPTQ: qweight down the inputs, qzeros along the outputs; the first version
stores zero points less one. ModelOpt's INT4: two neighbouring outputs a byte, two's complement; its NVFP4 stores the factor of which
compressed-tensors stores the reciprocal. weight_scale_inv is a multiplier.
"""
import pathlib

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

OUT, IN, GROUP = 64, 96, 32
RANDOM = np.random.default_rng(5)
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]
E2M1 = np.array([0, .5, 1, 1.5, 2, 3, 4, 6], np.float32)


def stream(codes, bits):
    """[lines, codes] as words of 32 bits, each line's first code in the lowest bits."""
    flat = ((codes[..., None] >> np.arange(bits)) & 1).reshape(len(codes), -1).astype(np.uint64)
    words = flat.reshape(len(codes), -1, 32)
    return (words << np.arange(32, dtype=np.uint64)).sum(-1).astype(np.uint32).view(np.int32)


def drawn(zeros, bits, group_of):
    """Codes around their zero points, as of weights that spread evenly around 0: [OUT, IN]."""
    spread = RANDOM.normal(0, 2.0 ** bits / 6, (OUT, IN)).round().astype(np.int64)
    return np.clip(spread + zeros[:, group_of], 0, 2 ** bits - 1)


def half_scales(groups):
    return RANDOM.uniform(0.001, 0.02, (OUT, groups)).astype(np.float16)


def in_order():
    return np.arange(IN) // GROUP


def table(bits=4, groups=IN // GROUP, symmetric=False, order=None):
    group_of = order if order is not None else (np.arange(IN) * groups // IN)
    middle = 2 ** (bits - 1)
    zeros = np.full((OUT, groups), middle) if symmetric else RANDOM.integers(middle - middle // 2, middle + middle // 2, (OUT, groups))
    codes, scales = drawn(zeros, bits, group_of), half_scales(groups)
    decoded = (codes - zeros[:, group_of]).astype(np.float32) * scales.astype(np.float32)[:, group_of]
    return codes, zeros, scales, decoded


def awq(**settings):
    codes, zeros, scales, decoded = table(**settings)

    def pack(values):  # [inputs or groups, OUT]
        return stream(values.reshape(len(values), -1, 8)[..., AWQ_ORDER].reshape(len(values), -1), 4)
    return {"qweight": pack(codes.T), "qzeros": pack(zeros.T), "scales": scales.T, "decoded": decoded}


def gptq(version=1, bits=4, order=None, **settings):
    codes, zeros, scales, decoded = table(bits=bits, order=order, **settings)
    group_of = order if order is not None else np.arange(IN) * scales.shape[1] // IN
    return {"qweight": stream(codes, bits).T, "qzeros": stream(zeros.T - (version == 1), bits), "scales": scales.T,
            "g_idx": group_of.astype(np.int32), "decoded": decoded}


def modelopt_int4(factors=False):
    codes = RANDOM.integers(-8, 8, (OUT, IN))
    scales = RANDOM.uniform(0.001, 0.02, (OUT, IN // GROUP)).astype(np.float16).astype(np.float32)
    decoded = codes.astype(np.float32) * scales[:, in_order()]
    nibbles = (codes & 15).astype(np.uint8)
    tensors = {"weight": nibbles[0::2] | nibbles[1::2] << 4, "weight_scale": scales, "decoded": decoded}
    if factors:
        tensors["pre_quant_scale"] = RANDOM.uniform(0.5, 2, IN).astype(np.float32)
        tensors["decoded"] = decoded * tensors["pre_quant_scale"]
    return tensors


def e2m1():
    codes = RANDOM.integers(0, 16, (OUT, IN)).astype(np.uint8)
    return codes[:, 0::2] | codes[:, 1::2] << 4, E2M1[codes & 7] * np.where(codes & 8, np.float32(-1), np.float32(1))


def nvfp4(dialect, factors=False):
    packed, values = e2m1()
    scales = RANDOM.uniform(1, 448, (OUT, IN // 16)).astype(ml_dtypes.float8_e4m3fn)
    factor = np.float32(2.0 ** -17)
    decoded = values * (scales.astype(np.float32).repeat(16, 1) * factor)
    if dialect == "compressed-tensors":
        return {"weight_packed": packed, "weight_scale": scales, "weight_global_scale": np.array([1 / factor], np.float32),
                "input_global_scale": np.array([64], np.float32), "decoded": decoded}
    tensors = {"weight": packed, "weight_scale": scales, "weight_scale_2": np.array(factor, np.float32),
               "input_scale": np.array(1 / 64, np.float32), "decoded": decoded}
    if factors:
        tensors["pre_quant_scale"] = (2.0 ** RANDOM.integers(-2, 3, IN)).astype(np.float32)
        tensors["decoded"] = decoded * tensors["pre_quant_scale"]
    return tensors


def e4m3():
    return RANDOM.normal(0, 60, (OUT, IN)).clip(-448, 448).astype(ml_dtypes.float8_e4m3fn)


def fp8_block(name, shape):
    codes, scale = e4m3(), np.full(shape, 0.0009765625 * 1.25, np.float32)
    return {"weight": codes, name: scale, "decoded": codes.astype(np.float32) * scale.reshape(-1)[0]}


def fp8_static():
    codes, scale = e4m3(), np.array(0.0003662109375, np.float32)
    return {"weight": codes, "weight_scale": scale, "input_scale": np.array(0.0625, np.float32),
            "decoded": codes.astype(np.float32) * scale}


def mx(name, codes, values):
    exponents = RANDOM.integers(110, 125, (OUT, IN // 32)).astype(np.uint8)
    return {name: codes, "weight_scale": exponents, "decoded": values * np.exp2(exponents.astype(np.float32) - 127).repeat(32, 1)}


def cases():
    order = RANDOM.permutation(in_order())
    codes = e4m3()
    return {
        "awq": awq(), "awq_symmetric": awq(symmetric=True), "awq_row": awq(groups=1),
        "gptq_v1": gptq(1), "gptq_v2": gptq(2), "gptq_v1_symmetric": gptq(1, symmetric=True), "gptq_v2_symmetric": gptq(2, symmetric=True),
        "gptq_no_zeros": gptq(1, symmetric=True) | {"qzeros": np.zeros((IN // GROUP, 0), np.int32)},
        "gptq_act_order": gptq(1, order=order), "gptq_2": gptq(2, bits=2), "gptq_3": gptq(1, bits=3), "gptq_8": gptq(1, bits=8),
        "gptq_8_row": gptq(1, bits=8, groups=1, symmetric=True),
        "modelopt_int4": modelopt_int4(), "modelopt_int4_factors": modelopt_int4(factors=True),
        "modelopt_nvfp4": nvfp4("modelopt"), "modelopt_nvfp4_factors": nvfp4("modelopt", factors=True),
        "compressed_nvfp4": nvfp4("compressed-tensors"), "modelopt_fp8": fp8_static(),
        "deepseek": fp8_block("weight_scale_inv", (1, 1)), "modelopt_fp8_blocks": fp8_block("weight_scale", (1, 1, 1, 1)),
        "mxfp8": mx("weight", codes, codes.astype(np.float32)), "mxfp4": mx("weight_packed", *e2m1()),
    }


def main():
    tensors = {f"{case}.{suffix}": np.ascontiguousarray(value) for case, parts in cases().items() for suffix, value in parts.items()}
    save_file(tensors, pathlib.Path(__file__).parents[2] / "tests/golden/quantize/foreign_weights.safetensors")


if __name__ == "__main__":
    main()
