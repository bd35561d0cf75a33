"""Loads a checkpoint that `octet quantize --to int8|int4` or another quantiser wrote with transformers and compressed-tensors: its weights must be the codes times
the scales of the files, near the original's, and its predictions must be those of Octet.

    python tools/check/integer_checkpoint.py ORIGINAL QUANTISED [OCTET]      needs torch, transformers, compressed-tensors

Exits with 1 where they aren't, with 77 and a reason where a package is missing. ORIGINAL is the Hugging Face directory that was quantised,
OCTET the program to compare with. A checkpoint with zero points: tools/check/asymmetric_checkpoint.py.
"""
import json
import subprocess
import sys

try:
    import compressed_tensors  # noqa: F401
    import torch
    from safetensors.torch import load_file
    from compressed_tensors.compressors.pack_quantized import PackedQuantizationCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    from transformers import AutoConfig, AutoModelForCausalLM
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

PROMPTS = [[1], [5, 9, 13, 200, 17], list(range(3, 60, 2))]
# Octet rounds to BF16 eight times in each layer, by 2^-9 at most each time.
ROUNDING = 8 / 512


def unpack(words, columns, bits):
    """Written from the format's description, not from its library."""
    shifts = torch.arange(0, 32, bits)
    codes = (words.unsqueeze(-1).long() >> shifts) & (2**bits - 1)
    return codes.flatten(1)[:, :columns] - 2 ** (bits - 1)


def decoded(tensors, module):
    rows, columns = tensors[module + ".weight_shape"].tolist()
    words, scales = tensors[module + ".weight_packed"], tensors[module + ".weight_scale"].float()
    codes = unpack(words, columns, 4 if words.shape[1] == -(-columns // 8) else 8)
    if module + ".weight_zero_point" in tensors:  # packed down the rows
        zeros = unpack(tensors[module + ".weight_zero_point"].T.contiguous(), rows, 4).T
        codes = codes - zeros.repeat_interleave(columns // zeros.shape[1], 1)
    return codes * scales.repeat_interleave(columns // scales.shape[1], 1), scales


def check_weights(original, loaded, tensors):
    modules = [name.removesuffix(".weight_packed") for name in tensors if name.endswith(".weight_packed")]
    for module in modules:
        want, scales = decoded(tensors, module)
        assert torch.equal(loaded.get_submodule(module).weight.float(), want), module
        source = original.get_submodule(module).weight
        steps = (want - source).abs().reshape(*scales.shape, -1) / scales.abs().unsqueeze(-1)
        # From 8 to 7 where a weight of the other sign is at -8, and what rounding the scale to BF16 leaves out.
        assert steps.max() <= 1 + 8 / 512, (module, steps.max())
    return len(modules)


def load_model(path, dtype=torch.float32):
    """transformers' model of a checkpoint, which compressed-tensors decodes."""
    return AutoModelForCausalLM.from_pretrained(path, dtype=dtype, attn_implementation="eager").eval()


def without_quantisation(path, weights):
    """The model in FP32, as plain transformers builds it."""
    config = AutoConfig.from_pretrained(path)
    del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager").eval()
    missing, unknown = model.load_state_dict(weights, strict=False)
    assert not unknown and set(missing) <= {"lm_head.weight"}, (missing, unknown)
    model.tie_weights()
    return model


def load_decompressed(path, tensors):
    """transformers' model with the weights that compressed-tensors decompresses: for zero points, whose packed shape the first takes
    for a mistake where it hands the checkpoint to the second itself (transformers 5.23)."""
    groups = AutoConfig.from_pretrained(path).quantization_config["config_groups"]
    scheme = QuantizationScheme(targets=["Linear"], weights=QuantizationArgs(**groups["group_0"]["weights"]))
    state = {name: tensor for name, tensor in tensors.items() if ".weight_" not in name}
    for module in (name.removesuffix(".weight_packed") for name in tensors if name.endswith(".weight_packed")):
        packed = {name.removeprefix(module + "."): tensor for name, tensor in tensors.items() if name.startswith(module + ".")}
        packed["weight_scale"] = packed["weight_scale"].float()
        state[module + ".weight"] = PackedQuantizationCompressor.decompress(packed, scheme)["weight"]
    return without_quantisation(path, state)


def octet_logprobs(program, directory, ids, vocabulary, options):
    command = [program, "run", directory, "--ids", ",".join(map(str, ids)), "--max-tokens", "1", "--logprobs", str(vocabulary),
               "--compute", "f32", "--temperature", "0", "--ignore-eos", "--json", *options]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return answer["logprobs"][0]["top"]


def difference(loaded, program, directory, options=()):
    """The largest, over the prompts, of the norm of the differences of log-probabilities, relative to that of their spread."""
    worst = 0
    for ids in PROMPTS:
        with torch.no_grad():
            want = loaded(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
        got = torch.zeros_like(want)
        for entry in octet_logprobs(program, directory, ids, want.numel(), options):
            got[entry["token"]] = entry["logprob"]
        worst = max(worst, ((got - want).norm() / (want - want.mean()).norm()).item())
    return worst


def exit_code(loaded, program, directory, options=()):
    """0 where no program is to be compared or its predictions are those of the loaded model but for rounding."""
    if not program:
        return 0
    worst = difference(loaded, program[0], directory, options)
    print(f"log-probabilities differ from Octet's by {worst:.2e} of their norm")
    return 0 if worst < ROUNDING * loaded.config.num_hidden_layers else 1


def main():
    original_path, path, *program = sys.argv[1:]
    tensors = load_file(path + "/model.safetensors")
    has_zeros = any(name.endswith(".weight_zero_point") for name in tensors)
    original, loaded = load_model(original_path), load_decompressed(path, tensors) if has_zeros else load_model(path)
    loaded(torch.tensor([[1]]))  # some versions decompress at the first use
    modules = check_weights(original, loaded, tensors)
    print(f"{modules} modules have the weights of the files")
    if modules == 0:
        return 1
    return exit_code(loaded, program, path)


if __name__ == "__main__":
    sys.exit(main())
