"""Makes tests/golden/models/: a tiny random checkpoint of every model family, with what transformers computes from it.

    python tools/golden/models.py [OUTPUT_DIRECTORY]        needs torch, safetensors, tokenizers, transformers 5.23

Each folder holds
    config.json         as transformers 5 writes it (rope_parameters, dtype, layer_types)
    config_old.json     the same model as transformers 4 wrote it (rope_theta, rope_scaling, torch_dtype, ...)
    model.safetensors   weights that are exact in BF16 (stored so; llama2 in F32), the tied head left out
    golden.safetensors  input_ids [seq] I32; hidden [layers + 2, 16, hidden] F32 of the last 16 positions: the scaled
                        embedding, each layer's output, the final norm; logits [seq, vocab] F32
and for some a byte-level tokenizer.json with a chat template, so that the program can be run on them.

Everything is computed in FP32 on one thread with eager attention in one pass over the whole sequence. What would hide a
mistake is avoided: norm weights aren't 1 (for Gemma not 0), biases aren't 0, sequences are longer than windows and than the
rope's original length, heads * head_dim differs from hidden (mistral, qwen3, gemma), score scales from head_dim^-0.5 (gemma).
The script also checks that transformers gets the same logits from the old dialect.
"""

import json
import sys
from pathlib import Path

# A neighbour of this file is called as the package `tokenizers` is: its folder must not be searched.
sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).resolve().parent]

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM

SEED = 20240611
BASE = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
            vocab_size=250, max_position_embeddings=512, pad_token_id=0, bos_token_id=1, eos_token_id=2)
FACTORS = [1.0, 1.1, 1.3, 1.6, 2.0, 2.5]

# name: (model_type, fields that differ from BASE, sequence length, has a tokenizer)
CASES = {
    "llama2": ("llama", dict(num_key_value_heads=4, intermediate_size=72, rms_norm_eps=1e-5), 48, False),
    "llama3": ("llama", dict(rms_norm_eps=1e-5, rope_theta=500000.0, vocab_size=277, eos_token_id=[275, 276], bos_token_id=274),
               150, True),
    "llama31": ("llama", dict(rms_norm_eps=1e-5, head_dim=32, rope_theta=500000.0, rope_scaling=dict(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)), 70, False),
    "llama_linear": ("llama", dict(attention_bias=True, mlp_bias=True, rope_scaling=dict(rope_type="linear", factor=2.5)), 70,
                     False),
    "llama_dynamic": ("llama", dict(max_position_embeddings=32, rope_scaling=dict(rope_type="dynamic", factor=2.0)), 70, False),
    "smollm2": ("llama", dict(hidden_size=72, num_attention_heads=6, num_key_value_heads=2, head_dim=12, rms_norm_eps=1e-5,
                              tie_word_embeddings=True, rope_theta=100000.0, vocab_size=277, bos_token_id=274, eos_token_id=275),
                70, True),
    "mistral": ("mistral", dict(head_dim=32, sliding_window=40, rms_norm_eps=1e-5, rope_theta=10000.0), 150, False),
    "qwen2": ("qwen2", dict(use_sliding_window=True, sliding_window=20, max_window_layers=1, tie_word_embeddings=True,
                            rope_theta=1000000.0, vocab_size=277, bos_token_id=274, eos_token_id=275), 70, True),
    "qwen2_yarn": ("qwen2", dict(use_sliding_window=False, rope_theta=10000.0, max_position_embeddings=128, rope_scaling=dict(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=32)), 70, False),
    "qwen3": ("qwen3", dict(head_dim=24, tie_word_embeddings=True, rope_theta=1000000.0), 70, False),
    "phi3_short": ("phi3", dict(sliding_window=30, partial_rotary_factor=0.75, original_max_position_embeddings=64,
                                max_position_embeddings=256, rope_scaling=dict(
                                    rope_type="longrope", short_factor=FACTORS, long_factor=[4 * x for x in FACTORS])), 60, False),
    "phi3_long": ("phi3", dict(original_max_position_embeddings=40, max_position_embeddings=160, rope_scaling=dict(
        rope_type="longrope", short_factor=FACTORS + [2.6, 2.7], long_factor=[3 * x for x in FACTORS] + [8.0, 9.0])), 70, False),
    "gemma2": ("gemma2", dict(hidden_size=80, num_attention_heads=4, head_dim=24, num_hidden_layers=4, sliding_window=25,
                              query_pre_attn_scalar=40, attn_logit_softcapping=5.0, final_logit_softcapping=4.0), 70, False),
    "gemma3": ("gemma3_text", dict(hidden_size=80, num_attention_heads=4, num_key_value_heads=1, head_dim=24, num_hidden_layers=6,
                                   sliding_window=20, query_pre_attn_scalar=40, rope_local_base_freq=10000.0,
                                   rope_theta=1000000.0, rope_scaling=dict(rope_type="linear", factor=8.0)), 70, False),
}


def randomise(model, generator):
    gemma = "gemma" in model.config.model_type
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name:
                value = noise * 0.2 + (0.0 if gemma else 1.0)
            elif name.endswith(".bias"):
                value = noise * 0.1
            elif "embed_tokens" in name:
                value = noise * (0.15 if gemma else 0.6)
            elif "q_proj" in name or "k_proj" in name or "qkv" in name:
                value = noise * 0.2
            else:
                value = noise * 0.1
            parameter.copy_(value.bfloat16().float())
    model.tie_weights()


def run(model, ids):
    """hidden [layers + 2, seq, hidden], logits [seq, vocab]"""
    outputs = []
    hooks = [layer.register_forward_hook(lambda module, inputs, output: outputs.append(
        output[0] if isinstance(output, tuple) else output)) for layer in model.model.layers]
    with torch.no_grad():
        result = model(input_ids=ids[None], output_hidden_states=True, use_cache=False)
    for hook in hooks:
        hook.remove()
    hidden = [result.hidden_states[0]] + outputs + [result.hidden_states[-1]]
    return torch.stack([state.reshape(len(ids), -1) for state in hidden]), result.logits[0]


def new_dialect(config):
    fields = config.to_dict()
    for key in ("transformers_version", "_name_or_path", "architectures"):
        fields.pop(key, None)
    fields["architectures"] = [ARCHITECTURES[config.model_type]]
    fields["dtype"] = "float32"
    return fields


ARCHITECTURES = {"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM",
                 "qwen3": "Qwen3ForCausalLM", "phi3": "Phi3ForCausalLM", "gemma2": "Gemma2ForCausalLM",
                 "gemma3_text": "Gemma3ForCausalLM"}


def old_dialect(model_type, fields):
    """The fields as transformers 4 wrote them: rope fields apart, `type` in older files, no layer_types."""
    old = dict(fields, model_type=model_type, torch_dtype="float32", architectures=[ARCHITECTURES[model_type]])
    if "rope_scaling" in old and model_type != "gemma3_text" and old["rope_scaling"]["rope_type"] in ("linear", "dynamic", "longrope", "yarn"):
        scaling = dict(old["rope_scaling"])
        kind = scaling.pop("rope_type")
        old["rope_scaling"] = dict(type=kind, **scaling)
    if model_type.startswith("gemma"):
        old["hidden_activation"] = "gelu_pytorch_tanh"
    if model_type == "gemma3_text":
        old["sliding_window_pattern"] = 6
    return old


def make_tokenizer(directory, vocab_size):
    """Byte-level BPE: 256 bytes, some merges of English, the special tokens last."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    specials = ["<|start|>", "<|end|>", "<|stop|>"]
    words = ["th", "the", "in", "an", "and", "er", "on", "re", "\u0120t", "\u0120a", "\u0120the", "ing", "ou", "is", "en",
             "at", "it", "or"]
    merges = [("t", "h"), ("th", "e"), ("i", "n"), ("a", "n"), ("an", "d"), ("e", "r"), ("o", "n"), ("r", "e"), ("\u0120", "t"),
              ("\u0120", "a"), ("\u0120t", "he"), ("in", "g"), ("o", "u"), ("i", "s"), ("e", "n"), ("a", "t"), ("i", "t"),
              ("o", "r")]
    merges.insert(1, ("h", "e"))
    words.insert(1, "he")
    count = vocab_size - len(alphabet) - len(specials)
    vocab = {token: i for i, token in enumerate(alphabet + words[:count])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges[:count]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in specials])
    assert tokenizer.get_vocab_size() == vocab_size, tokenizer.get_vocab_size()
    tokenizer.save(str(directory / "tokenizer.json"))
    template = ("{% for message in messages %}<|start|>{{ message['role'] }}\n{{ message['content'] }}<|end|>\n{% endfor %}"
                "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}")
    (directory / "tokenizer_config.json").write_text(json.dumps(dict(
        bos_token="<|start|>", eos_token="<|end|>", chat_template=template, clean_up_tokenization_spaces=False,
        tokenizer_class="PreTrainedTokenizerFast"), indent=2) + "\n")
    (directory / "generation_config.json").write_text(json.dumps(dict(
        bos_token_id=vocab_size - 3, eos_token_id=[vocab_size - 2, vocab_size - 1], do_sample=False), indent=2) + "\n")


def load_config(directory, name):
    fields = json.loads((directory / name).read_text())
    config = AutoConfig.for_model(fields.pop("model_type"), **fields)
    config._attn_implementation = "eager"
    return config


def make_case(root, name):
    model_type, differing, length, has_tokenizer = CASES[name]
    directory = root / name
    directory.mkdir(parents=True, exist_ok=True)
    fields = {**BASE, **differing}
    old = old_dialect(model_type, fields)
    (directory / "config_old.json").write_text(json.dumps(old, indent=2) + "\n")
    config = load_config(directory, "config_old.json")
    (directory / "config.json").write_text(json.dumps(new_dialect(config), indent=2) + "\n")

    generator = torch.Generator().manual_seed(SEED + sum(map(ord, name)))
    model = AutoModelForCausalLM.from_config(load_config(directory, "config.json"), dtype=torch.float32).eval()
    randomise(model, generator)
    ids = torch.randint(3, fields["vocab_size"] - 3, (length,), generator=generator)
    hidden, logits = run(model, ids)

    other = AutoModelForCausalLM.from_config(load_config(directory, "config_old.json"), dtype=torch.float32).eval()
    other.load_state_dict(model.state_dict())
    assert torch.equal(run(other, ids)[1], logits), f"{name}: the dialects disagree"

    dtype = torch.float32 if name == "llama2" else torch.bfloat16
    tied = model.config.tie_word_embeddings
    weights = {key: value.to(dtype).contiguous() for key, value in model.state_dict().items()
               if not (tied and key == "lm_head.weight")}
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    save_file({"input_ids": ids.int(), "hidden": hidden[:, -16:].contiguous(), "logits": logits.contiguous()},
              directory / "golden.safetensors")
    if has_tokenizer:
        make_tokenizer(directory, fields["vocab_size"])
    size = sum(path.stat().st_size for path in directory.iterdir())
    print(f"{name}: {size // 1024} KB, logits of size {logits.abs().mean():.3f}, hidden {hidden.std(dim=(1, 2)).tolist()}")


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2] / "tests/golden/models"
    for name in CASES:
        make_case(root, name)


if __name__ == "__main__":
    main()
