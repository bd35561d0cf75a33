"""Makes tests/golden/encoders/: tiny random encoders, with what transformers computes from them.

    python tools/golden/encoders.py [OUTPUT_DIRECTORY [NAME ...]]        needs torch, safetensors, tokenizers, transformers 5.23

Each folder holds
    config.json, model.safetensors   F32 weights that are exact in BF16
    tokenizer.json, tokenizer_config.json    WordPiece over letters, for all but `roberta`, whose is BPE over bytes
    golden.safetensors  for sequence i: ids.i [seq] I32 and types.i [seq] I32; hidden.i [layers + 1, seq, hidden] F32, the
                        normed embeddings and each layer's output; where there is a head, scores [sequences, labels] F32
`pairs`, `mpnet_pairs` and `roberta` have pairs.json: pairs of texts with ids and types, cut to the model's positions, and their scores,
1 / (1 + exp(-label)); `bert` and `mpnet` modules.json with the files it names, and texts.json: texts with their ids, cut to the
length that sentence_bert_config.json names, and their vectors (mean of the tokens, of length 1).

`bert` is a BertModel with two layers of more than 512 positions, so that attention joins pieces; `pairs` is a
BertForSequenceClassification in the names of old files (LayerNorm.gamma), with widths that fill no vector and the tanh
form of GELU. `mpnet` is an MPNetModel that reads sequences beyond the distance from which on all have one bias; `roberta` is a
RobertaForSequenceClassification with one type of tokens, `mpnet_pairs` an MPNetForSequenceClassification. All of them have a sequence with padding in its midst, whose position is its own.
Everything is computed in FP32 on one thread with eager attention, one sequence at a time. Norms' weights
aren't 1 and biases not 0.
"""

import json
import sys
from pathlib import Path

# A neighbour of this file is called as the package `tokenizers` is: its folder must not be searched.
sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).resolve().parent]

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (BertConfig, BertForSequenceClassification, BertModel, MPNetConfig, MPNetForSequenceClassification, MPNetModel,
                          RobertaConfig, RobertaForSequenceClassification)

SEED = 20250117
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
FAIRSEQ_SPECIALS = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"]  # of MPNet and, with <unk>, of RoBERTa
PAD = 1  # of the latter
WORDS = ["the", "##ing", "##er", "and", "##s", "##ed", "token", "word", "中", "文"]
MAX_TOKENS = 24
CASES = {
    "bert": (BertModel, dict(hidden_size=64, num_attention_heads=4, intermediate_size=96, num_hidden_layers=2,
                             max_position_embeddings=600, hidden_act="gelu"), [540, 33, 1, 128]),
    "pairs": (BertForSequenceClassification, dict(hidden_size=72, num_attention_heads=6, intermediate_size=100,
                                                  num_hidden_layers=3, max_position_embeddings=64, hidden_act="gelu_new",
                                                  num_labels=1), [64, 40, 17]),
    "mpnet": (MPNetModel, dict(hidden_size=48, num_attention_heads=3, intermediate_size=80, num_hidden_layers=2,
                               max_position_embeddings=304, hidden_act="gelu"), [300, 33, 1]),
    "mpnet_pairs": (MPNetForSequenceClassification, dict(hidden_size=24, num_attention_heads=2, intermediate_size=40, num_hidden_layers=1,
                                                         max_position_embeddings=66, hidden_act="gelu", num_labels=1), [64, 40, 17]),
    "roberta": (RobertaForSequenceClassification, dict(hidden_size=48, num_attention_heads=4, intermediate_size=64,
                                                       num_hidden_layers=2, max_position_embeddings=66, hidden_act="gelu",
                                                       type_vocab_size=1, num_labels=1), [64, 40, 17]),
}
CONFIGS = {"bert": BertConfig, "pairs": BertConfig, "mpnet": MPNetConfig, "mpnet_pairs": MPNetConfig, "roberta": RobertaConfig}
TEXTS = ["The word and the token", "Tokens, wording & Ünïcödé: naïve café!", "中文 and words", "", "x" * 120,
         "A much longer text that has far more words in it than the model of twenty four tokens will ever read, so it is cut",
         "[SEP] written in a text", "tabs\tand\nlines", "3.14 is 42?", "ﬁne ﬂow Ⅳ", "e\u0301 decomposed", "word" * 30]

PAIRS = [("the token", text) for text in ("the word and the token", "", "a word of another kind", "中文 and words", "tokens " * 40)]
PAIRS += [("word " * 50, "token " * 50), ("", "the word")]


def make_tokenizer(name):
    if name == "roberta":
        return make_byte_level()
    tokenizer = make_wordpiece(FAIRSEQ_SPECIALS if name.startswith("mpnet") else SPECIALS)
    if name == "mpnet_pairs":  # types that the model has no table of, as the family's tokenizers give them
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> </s> $B:1 </s>:1", special_tokens=[("<s>", 0), ("</s>", 2)])
    if name == "mpnet":
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=False, add_prefix_space=False)
    return tokenizer


def make_byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  show_progress=False)
    tokenizer.train_from_iterator(TEXTS + [text for pair in PAIRS for text in pair], trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    return tokenizer


def make_wordpiece(specials):
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,:;!?&'()-"
    vocab = specials + WORDS + list(letters) + ["##" + letter for letter in letters]
    tokenizer = Tokenizer(models.WordPiece(vocab={token: i for i, token in enumerate(vocab)}, unk_token="[UNK]",
                                           max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(specials)
    return tokenizer


def save_tokenizer(name, tokenizer, directory):
    tokenizer.save(str(directory / "tokenizer.json"))
    bert = dict(cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]", pad_token="[PAD]", mask_token="[MASK]", model_max_length=512,
                tokenizer_class="BertTokenizer")
    fairseq = dict(bos_token="<s>", cls_token="<s>", sep_token="</s>", eos_token="</s>", pad_token="<pad>", mask_token="<mask>",
                   model_max_length=512)
    tokens = dict(mpnet=dict(fairseq, unk_token="[UNK]", tokenizer_class="MPNetTokenizer"),
                  mpnet_pairs=dict(fairseq, unk_token="[UNK]", tokenizer_class="MPNetTokenizer"),
                  roberta=dict(fairseq, unk_token="<unk>", tokenizer_class="RobertaTokenizer"))
    (directory / "tokenizer_config.json").write_text(json.dumps(tokens.get(name, bert), indent=2) + "\n")


def save_modules(directory, width):
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    modules = [dict(idx=i, name=str(i), path=path, type=f"sentence_transformers.models.{kind}")
               for i, (path, kind) in enumerate(kinds)]
    (directory / "modules.json").write_text(json.dumps(modules, indent=2) + "\n")
    (directory / "1_Pooling").mkdir(exist_ok=True)
    (directory / "1_Pooling/config.json").write_text(json.dumps(dict(
        word_embedding_dimension=width, pooling_mode_cls_token=False, pooling_mode_mean_tokens=True,
        pooling_mode_max_tokens=False), indent=2) + "\n")
    (directory / "sentence_bert_config.json").write_text(
        json.dumps(dict(max_seq_length=MAX_TOKENS, do_lower_case=False), indent=2) + "\n")


def randomise(model, generator):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "LayerNorm" in name and name.endswith("weight"):
                value = 1 + noise * 0.2
            elif name.endswith("bias"):
                value = noise * 0.1
            elif "embeddings" in name or "relative" in name:
                value = noise * 0.5
            elif ".query" in name or ".key" in name or name.endswith((".q.weight", ".k.weight")):
                value = noise * 0.2
            else:
                value = noise * 0.1
            parameter.copy_(value.bfloat16().float())


def run(model, ids, types):
    """hidden [layers + 1, seq, hidden], and what the model gives besides."""
    inputs = {} if model.config.model_type == "mpnet" else dict(token_type_ids=types[None])
    with torch.no_grad():
        result = model(input_ids=ids[None], attention_mask=torch.ones_like(ids)[None], output_hidden_states=True, **inputs)
    return torch.stack([state[0] for state in result.hidden_states]), result


def make_texts(model, tokenizer, directory):
    tokenizer.enable_truncation(MAX_TOKENS)
    cases = []
    for text in TEXTS:
        ids = torch.tensor(tokenizer.encode(text).ids)
        vector = run(model, ids, torch.zeros_like(ids))[0][-1].mean(dim=0)
        vector = torch.nn.functional.normalize(vector, dim=0)
        cases.append(dict(text=text, ids=ids.tolist(), vector=vector.tolist()))
    (directory / "texts.json").write_text(json.dumps(cases, ensure_ascii=False, indent=0) + "\n")


def make_pairs(model, tokenizer, directory):
    most = model.config.max_position_embeddings - (PAD + 1 if model.config.model_type != "bert" else 0)
    tokenizer.enable_truncation(most, strategy="longest_first")
    cases = []
    for first, second in PAIRS:
        encoding = tokenizer.encode(first, second)
        ids, types = torch.tensor(encoding.ids), torch.tensor(encoding.type_ids)
        score = torch.sigmoid(run(model, ids, types)[1].logits[0, 0])
        cases.append(dict(first=first, second=second, ids=encoding.ids, types=encoding.type_ids, score=score.item()))
    (directory / "pairs.json").write_text(json.dumps(cases, ensure_ascii=False, indent=0) + "\n")


def make_case(root, name):
    kind, fields, lengths = CASES[name]
    directory = root / name
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(name)
    generator = torch.Generator().manual_seed(SEED + len(name))
    config = CONFIGS[name](vocab_size=tokenizer.get_vocab_size(), attn_implementation="eager", **fields)
    model = kind(config).eval()
    randomise(model, generator)

    golden, scores = {}, []
    for i, length in enumerate(lengths):
        ids = torch.randint(len(SPECIALS), config.vocab_size, (length,), generator=generator)
        if config.model_type != "bert" and i == 1:
            ids[[3, 4, length // 2]] = PAD
        types = (torch.arange(length) >= 2 * length // 3).long() if config.model_type == "bert" else torch.zeros(length).long()
        hidden, result = run(model, ids, types)
        golden.update({f"ids.{i}": ids.int(), f"types.{i}": types.int(), f"hidden.{i}": hidden.contiguous()})
        if hasattr(result, "logits"):
            scores.append(result.logits[0])
    if scores:
        golden["scores"] = torch.stack(scores).contiguous()
    save_file(golden, directory / "golden.safetensors")

    weights = {key: value.contiguous() for key, value in model.state_dict().items() if "position_ids" not in key}
    if name == "pairs":
        weights = {key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
                   for key, value in weights.items()}
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    fields = dict(config.to_dict(), architectures=[kind.__name__], dtype="float32")
    for key in ("transformers_version", "_name_or_path"):
        fields.pop(key, None)
    (directory / "config.json").write_text(json.dumps(fields, indent=2) + "\n")
    save_tokenizer(name, tokenizer, directory)
    if not scores:
        save_modules(directory, config.hidden_size)
        make_texts(model, tokenizer, directory)
    else:
        make_pairs(model, tokenizer, directory)
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    print(f"{name}: {size // 1024} KB, hidden {[golden[f'hidden.{i}'].std().item() for i in range(len(lengths))]}")


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2] / "tests/golden/encoders"
    for name in sys.argv[2:] or CASES:
        make_case(root, name)


if __name__ == "__main__":
    main()
