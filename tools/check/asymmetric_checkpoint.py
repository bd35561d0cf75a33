"""Quantises a checkpoint to INT4 with zero points by compressed-tensors, since Octet reads such weights and writes none.

    python tools/check/asymmetric_checkpoint.py ORIGINAL OUTPUT [GROUP]      needs torch, transformers, compressed-tensors

ORIGINAL is a Hugging Face directory. Every linear module but the head gets groups of GROUP inputs (32), in format pack-quantized.
Exits with 77 and a reason where a package is missing.
"""
import json
import pathlib
import shutil
import sys

try:
    import torch
    from compressed_tensors.compressors.pack_quantized import PackedQuantizationCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    from compressed_tensors.quantization.utils import calculate_qparams
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)


def compress(weight, scheme):
    groups = weight.reshape(len(weight), -1, scheme.weights.group_size)
    scales, zeros = calculate_qparams(groups.amin(-1), groups.amax(-1), scheme.weights)
    scales = scales.bfloat16().float()
    state = {"weight": weight, "weight_scale": scales, "weight_zero_point": zeros.to(torch.int8)}
    packed = PackedQuantizationCompressor.compress(state, scheme)
    return {**packed, "weight_scale": packed["weight_scale"].bfloat16()}


def main():
    original, output, group = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int((sys.argv[3:] or [32])[0])
    model = AutoModelForCausalLM.from_pretrained(original, dtype=torch.float32)
    weights = QuantizationArgs(num_bits=4, type="int", strategy="group", group_size=group, symmetric=False)
    scheme = QuantizationScheme(targets=["Linear"], weights=weights)
    tensors = dict(model.state_dict())
    for name, module in model.named_modules():
        if not isinstance(module, torch.nn.Linear) or name == "lm_head":
            continue
        weight = tensors.pop(name + ".weight")
        tensors.update({f"{name}.{part}": value for part, value in compress(weight, scheme).items()})
    if model.config.tie_word_embeddings:
        tensors.pop("lm_head.weight")
    output.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, output / "model.safetensors", {"format": "pt"})
    config = json.loads((original / "config.json").read_text())
    config["quantization_config"] = {
        "quant_method": "compressed-tensors", "format": "pack-quantized", "quantization_status": "compressed", "ignore": ["lm_head"],
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": {
            "num_bits": 4, "type": "int", "strategy": "group", "group_size": group, "symmetric": False, "dynamic": False}}}}
    (output / "config.json").write_text(json.dumps(config, indent=2))
    for name in ("generation_config.json", "tokenizer.json", "tokenizer_config.json"):
        if (original / name).exists():
            shutil.copy(original / name, output / name)


if __name__ == "__main__":
    main()
