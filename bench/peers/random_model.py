"""Writes random weights of a published shape for the peers, whose speed doesn't depend on them:

    python3 random_model.py SHAPE DIRECTORY

DIRECTORY/SHAPE.gguf holds Q4_0 throughout, the tied embedding too, and no vocabulary; DIRECTORY/SHAPE is a directory of transformers
in BF16. What is there already stays."""
import pathlib
import sys

import numpy

# As src/engine/random_weights.cpp has them.
SHAPES = {
    "smollm2-135m": ("llama", 30, 576, 9, 3, 64, 1536, 49152),
    "qwen2.5-0.5b": ("qwen2", 24, 896, 14, 2, 64, 4864, 151936),
    "qwen2.5-1.5b": ("qwen2", 28, 1536, 12, 2, 128, 8960, 151936),
    "llama-3.2-1b": ("llama", 16, 2048, 32, 8, 64, 8192, 128256),
}
CONTEXT = 8192


def write_gguf(shape, path):
    import gguf

    kind, layers, hidden, heads, key_heads, head_dim, width, vocabulary = SHAPES[shape]
    writer = gguf.GGUFWriter(path, kind)
    writer.add_block_count(layers)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(width)
    writer.add_head_count(heads)
    writer.add_head_count_kv(key_heads)
    writer.add_rope_dimension_count(head_dim)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    writer.add_vocab_size(vocabulary)
    writer.add_tokenizer_model("no_vocab")
    numbers = numpy.random.default_rng(1)

    def matrix(rows, columns):
        values = numbers.standard_normal((rows, columns), dtype=numpy.float32) / numpy.sqrt(numpy.float32(columns))
        return gguf.quantize(values, gguf.GGMLQuantizationType.Q4_0)

    queries, keys = heads * head_dim, key_heads * head_dim
    matrices = {"attn_q": (queries, hidden), "attn_k": (keys, hidden), "attn_v": (keys, hidden), "attn_output": (hidden, queries),
                "ffn_gate": (width, hidden), "ffn_up": (width, hidden), "ffn_down": (hidden, width)}
    one_layer = {name: matrix(*size) for name, size in matrices.items()}
    ones = numpy.ones(hidden, dtype=numpy.float32)
    writer.add_tensor("token_embd.weight", matrix(vocabulary, hidden), raw_dtype=gguf.GGMLQuantizationType.Q4_0)
    writer.add_tensor("output_norm.weight", ones)
    for layer in range(layers):
        for name, values in one_layer.items():
            writer.add_tensor(f"blk.{layer}.{name}.weight", values, raw_dtype=gguf.GGMLQuantizationType.Q4_0)
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", ones)
        for name, size in (("q", queries), ("k", keys), ("v", keys)) if kind == "qwen2" else ():
            writer.add_tensor(f"blk.{layer}.attn_{name}.bias", numpy.zeros(size, dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_directory(shape, path):
    import torch
    import transformers

    kind, layers, hidden, heads, key_heads, head_dim, width, vocabulary = SHAPES[shape]
    config = transformers.AutoConfig.for_model(kind, num_hidden_layers=layers, hidden_size=hidden, num_attention_heads=heads,
                                               num_key_value_heads=key_heads, head_dim=head_dim, intermediate_size=width,
                                               vocab_size=vocabulary, max_position_embeddings=CONTEXT, tie_word_embeddings=True)
    transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(path)


def main():
    shape, directory = sys.argv[1], pathlib.Path(sys.argv[2])
    if shape not in SHAPES:
        raise SystemExit(f"no shape `{shape}`; there are {', '.join(SHAPES)}")
    for path, write in ((directory / f"{shape}.gguf", write_gguf), (directory / shape, write_directory)):
        if path.exists():
            continue
        partial = path.with_name(path.name + ".partial")
        write(shape, partial)
        partial.rename(path)


if __name__ == "__main__":
    main()
