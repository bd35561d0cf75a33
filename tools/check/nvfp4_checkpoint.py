"""Loads a checkpoint that `octet quantize --to nvfp4-w4a16|nvfp4` wrote with transformers and compressed-tensors: its weights must be the codes times
the scales of the files, near the original's, and its predictions must be those of Octet.

    python tools/check/nvfp4_checkpoint.py ORIGINAL QUANTISED [OCTET]      needs torch, transformers, compressed-tensors

Exits with 1 where they aren't, with 77 and a reason where a package is missing. ORIGINAL is the Hugging Face directory that was quantised,
OCTET the program to compare with.
"""
import sys

from integer_checkpoint import exit_code, load_file, load_model, torch

VALUES = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])


def decoded(tensors, module):
    """Written from the format's description, not from its library."""
    packed = tensors[module + ".weight_packed"].long()
    codes = torch.stack([packed & 15, packed >> 4], -1).flatten(1)
    scales = tensors[module + ".weight_scale"].float() / tensors[module + ".weight_global_scale"]
    return VALUES[codes] * scales.repeat_interleave(16, 1), scales


def check_weights(original, loaded, tensors, compensated):
    modules = [name.removesuffix(".weight_packed") for name in tensors if name.endswith(".weight_packed")]
    for module in modules:
        want, scales = decoded(tensors, module)
        # The library decodes in BF16.
        assert torch.equal(loaded.get_submodule(module).weight.bfloat16(), want.bfloat16()), module
        source = original.get_submodule(module).weight
        steps = (want - source).abs().reshape(*scales.shape, 16) / scales.unsqueeze(-1)
        # Codes that make up for each other's errors go further than the nearest ones, but not far from the weights.
        distance = (want - source).norm() / source.norm()
        assert distance < 0.5 if compensated else steps.max() <= 1 + 1e-5, (module, steps.max(), distance)
    return len(modules)


def main():
    original_path, path, *program = sys.argv[1:]
    original, loaded = load_model(original_path), load_model(path, torch.bfloat16)  # the library decodes to BF16 only
    loaded(torch.tensor([[1]]))  # some versions decompress at the first use
    torch.nn.Module.float(loaded)
    tensors = load_file(path + "/model.safetensors")
    # Where the file has scales for them, the library rounds inputs too, and the codes were chosen by calibration.
    rounds_inputs = any(name.endswith(".input_global_scale") for name in tensors)
    modules = check_weights(original, loaded, tensors, rounds_inputs)
    print(f"{modules} modules have the weights of the files")
    if modules == 0:
        return 1
    return exit_code(loaded, program, path, ["--activations", "nvfp4"] if rounds_inputs else [])


if __name__ == "__main__":
    sys.exit(main())
