"""Tiny models of every architecture that Octet reads from GGUF, and what their tensors were before conversion.

    python tools/golden/gguf_models.py tests/golden/gguf

Each model is random Hugging Face tensors; its .gguf is written by the gguf package with the changes that llama.cpp's converter
makes (names, reordered q/k rows, 1 added to Gemma's norms, divisors for llama3 rope). Beside it, .json has the fields of
config.json that must come back, and the CRC-32 of every original tensor's floats. Weights are BF16 values, so nothing is
lost on the way; the embedding of `smollm` is Q8_0, and its CRC is that of the gguf package's own decoding.
"""
import json
import math
import sys
import zlib
from pathlib import Path

import gguf
import ml_dtypes
import numpy as np

HIDDEN, HEADS, KEY_HEADS, HEAD_DIM, FFN, VOCAB = 32, 4, 2, 8, 16, 20
MODELS = ["smollm", "llama3", "fused", "qwen2", "qwen3", "phi3", "gemma2", "gemma3"]
ARCHITECTURES = {"smollm": "llama", "llama3": "llama", "fused": "llama"}  # model -> architecture where they differ


def permute(weight, heads):
    """What the converter does to q and k of Llama: rotated pairs become neighbours."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def bf16(random, *shape):
    return random.normal(0, 0.1, shape).astype(ml_dtypes.bfloat16).astype(np.float32)


def norm(random, size, centre):
    return (centre + random.integers(-100, 100, size) / 256).astype(np.float32)


def original_tensors(name, random):
    """Hugging Face names and values."""
    gemma, phi = name.startswith("gemma"), name == "phi3"
    centre = 0.0 if gemma else 1.0
    out = {"model.embed_tokens.weight": bf16(random, VOCAB, HIDDEN), "model.norm.weight": norm(random, HIDDEN, centre)}
    layer = "model.layers.0."
    norms = ["input_layernorm", "post_attention_layernorm"]
    if gemma:
        norms += ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
    for part in norms:
        out[f"{layer}{part}.weight"] = norm(random, HIDDEN, centre)
    if name in ("qwen3", "gemma3"):
        for part in ("q_norm", "k_norm"):
            out[f"{layer}self_attn.{part}.weight"] = norm(random, HEAD_DIM, centre)
    rows = {"q": HEADS * HEAD_DIM, "k": KEY_HEADS * HEAD_DIM, "v": KEY_HEADS * HEAD_DIM}
    if phi:
        out[f"{layer}self_attn.qkv_proj.weight"] = bf16(random, sum(rows.values()), HIDDEN)
        out[f"{layer}mlp.gate_up_proj.weight"] = bf16(random, 2 * FFN, HIDDEN)
    else:
        for part, count in rows.items():
            out[f"{layer}self_attn.{part}_proj.weight"] = bf16(random, count, HIDDEN)
            if name in ("qwen2", "llama3"):
                out[f"{layer}self_attn.{part}_proj.bias"] = bf16(random, count)
        for part in ("gate", "up"):
            out[f"{layer}mlp.{part}_proj.weight"] = bf16(random, FFN, HIDDEN)
    out[f"{layer}self_attn.o_proj.weight"] = bf16(random, HIDDEN, HEADS * HEAD_DIM)
    out[f"{layer}mlp.down_proj.weight"] = bf16(random, HIDDEN, FFN)
    if name == "llama3":
        out[f"{layer}self_attn.o_proj.bias"] = bf16(random, HIDDEN)
    if name in ("llama3", "qwen2", "phi3"):
        out["lm_head.weight"] = bf16(random, VOCAB, HIDDEN)
    return out


def converted(name, tensors):
    """The converter's tensors, by GGUF name."""
    architecture = gguf.MODEL_ARCH[ARCHITECTURES.get(name, name).upper()]
    names = gguf.get_tensor_name_map(architecture, 1)
    out = {}
    for key, value in tensors.items():
        if name.startswith("gemma") and key.endswith("norm.weight"):
            value = value + np.float32(1)
        if architecture == gguf.MODEL_ARCH.LLAMA and ("q_proj" in key or "k_proj" in key):
            value = permute(value, HEADS if "q_proj" in key else KEY_HEADS)
        out[names.get_name(key, try_suffixes=(".weight", ".bias"))] = value
    if name == "fused":
        parts = [out.pop(f"blk.0.attn_{part}.weight") for part in "qkv"]
        out["blk.0.attn_qkv.weight"] = np.concatenate(parts)
    return out


def llama3_divisors(theta, factor, low, high, original):
    turns = theta ** (-np.arange(0, HEAD_DIM, 2) / HEAD_DIM) / (2 * math.pi)
    smooth = np.clip((original * turns - low) / (high - low), 0, 1)
    return (1 / ((1 - smooth) / factor + smooth)).astype(np.float32)


def rope_of(name, writer, config):
    """Rope keys and tensors of a model; returns the extra tensors."""
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_rope_dimension_count(4 if name == "phi3" else HEAD_DIM)
    scaling = config["rope_scaling"]
    if name == "llama3":
        return {"rope_freqs.weight": llama3_divisors(config["rope_theta"], scaling["factor"], 1, 4, 512)}
    if name == "qwen2":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(scaling["factor"])
        writer.add_rope_scaling_orig_ctx_len(scaling["original_max_position_embeddings"])
    if name == "gemma3":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(scaling["factor"])
        writer.add_rope_freq_base_swa(config["rope_local_base_freq"])
    if name == "phi3":
        original = config["original_max_position_embeddings"]
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)
        scale = config["max_position_embeddings"] / original
        writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(scale) / math.log(original)))
        return {f"rope_factors_{kind}.weight": np.array(scaling[f"{kind}_factor"], np.float32) for kind in ("long", "short")}
    return {}


def config_of(name):
    model_type = {"gemma3": "gemma3_text"}.get(name, ARCHITECTURES.get(name, name))
    config = {"model_type": model_type, "hidden_size": HIDDEN, "intermediate_size": FFN, "num_hidden_layers": 1,
              "num_attention_heads": HEADS, "num_key_value_heads": KEY_HEADS, "head_dim": HEAD_DIM, "vocab_size": VOCAB,
              "max_position_embeddings": 256, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "rope_scaling": None,
              "tie_word_embeddings": name not in ("llama3", "qwen2", "phi3"), "bos_token_id": 1, "eos_token_id": 2}
    if model_type == "llama":
        config |= {"attention_bias": name == "llama3", "mlp_bias": False, "hidden_act": "silu"}
    if name == "llama3":
        config |= {"rope_theta": 500000.0, "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                   "high_freq_factor": 4.0, "original_max_position_embeddings": 512}}
    if name == "qwen2":
        config |= {"rope_theta": 1e6, "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}}
    if name == "phi3":
        config |= {"partial_rotary_factor": 0.5, "original_max_position_embeddings": 64, "sliding_window": None,
                   "rope_scaling": {"type": "longrope", "short_factor": [1.0, 1.25], "long_factor": [1.5, 2.75]}}
    if name.startswith("gemma"):
        config |= {"hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": HEAD_DIM, "sliding_window": 16}
    if name == "gemma2":
        config |= {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}
    if name == "gemma3":
        config |= {"rope_theta": 1e6, "rope_local_base_freq": 10000.0, "sliding_window_pattern": 6,
                   "rope_scaling": {"rope_type": "linear", "factor": 8.0}}
    return config


def add_metadata(writer, config):
    writer.add_block_count(1)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FFN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    if config["model_type"] in ("qwen3", "gemma2", "gemma3_text"):
        writer.add_key_length(HEAD_DIM)
        writer.add_value_length(HEAD_DIM)
    if "sliding_window" in config:
        writer.add_sliding_window(config["sliding_window"] or 0)
    if config["model_type"] == "gemma2":
        writer.add_attn_logit_softcapping(50.0)
        writer.add_final_logit_softcapping(30.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["<unk>", "<s>", "</s>", "<|im_end|>"] + [chr(97 + i) for i in range(VOCAB - 4)])
    writer.add_token_types([gguf.TokenType.UNKNOWN] + 3 * [gguf.TokenType.CONTROL] + (VOCAB - 4) * [gguf.TokenType.NORMAL])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_chat_template("{{ messages[0].content }}")


def write_model(name, folder, seed):
    random = np.random.default_rng(seed)
    config, tensors = config_of(name), original_tensors(name, random)
    writer = gguf.GGUFWriter(str(folder / f"{name}.gguf"), ARCHITECTURES.get(name, name))
    add_metadata(writer, config)
    extra = rope_of(name, writer, config)
    for key, value in {**converted(name, tensors), **extra}.items():
        if name == "smollm" and key == "token_embd.weight":
            data = gguf.quantize(value, gguf.GGMLQuantizationType.Q8_0)
            tensors["model.embed_tokens.weight"] = gguf.dequantize(data, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(key, data, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        elif value.ndim == 1:
            writer.add_tensor(key, value)
        else:
            data = gguf.quantize(value, gguf.GGMLQuantizationType.BF16)
            writer.add_tensor(key, data, raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    expected = {"config": config, "tensors": {key: {"shape": list(value.shape), "crc": zlib.crc32(value.astype("<f4").tobytes())}
                                             for key, value in sorted(tensors.items())}}
    (folder / f"{name}.json").write_text(json.dumps(expected, indent=1) + "\n")


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(MODELS):
        write_model(name, folder, seed)


if __name__ == "__main__":
    main()
