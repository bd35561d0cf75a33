#!/usr/bin/env python3
"""Goldens of the tokenizers: small vocabularies of each family, hard strings, and what Hugging Face's `tokenizers` makes of them.

  tools/golden/make_tokenizers.py     writes tests/golden/tokenizers/FAMILY/{tokenizer.json,cases.jsonl}

Comparing many more texts and other vocabularies: tools/check/tokenizer_parity.py.
A case is {"text", "ids", "plain", "decoded", "skipped"}: ids with and without the tokens that the post-processor adds, and the
text of the former with and without special tokens. Random strings are of code points assigned in Unicode 14.
"""
import json
import random
import struct
import sys
import unicodedata
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden/tokenizers"

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + TAIL
QWEN2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + TAIL
QWEN35 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
CASED_TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT4O = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{CONTRACTIONS}?|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{CONTRACTIONS}?|\p{{N}}{{1,3}}" + CASED_TAIL)
TEKKEN = rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*|\p{{N}}" + CASED_TAIL
DEEPSEEK3 = [r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
             "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"]
DEEPSEEK_CODER = [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", r"\p{N}"]
SPLIT_AT_NUMBERS_OF_3 = [r"\p{N}+", r"(?=(\d{3})+(?!\d))"]

SPACES = " \t\n\r\x0b\x0c\x85\xa0\u1680\u2003\u2028\u202f\u3000\u180e\u200b\u2581"


def splits(*patterns):
    return [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]


def byte_level(*steps, use_regex=False):
    return pre_tokenizers.Sequence([*steps, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)])


def assigned():
    """Code points of Unicode 14, surrogates and private use left out."""
    if unicodedata.unidata_version != "14.0.0":
        sys.exit(f"this Python has Unicode {unicodedata.unidata_version}, 14.0.0 is needed (Python 3.11)")
    return [c for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]


ASSIGNED = assigned()
WORDS = ["the", "Hello", "World's", "don't", "WE'LL", "I'd", "naïve", "Straße", "ΑΒγ", "Привет", "你好", "日本語テスト", "안녕", "مرحبا", "हिन्दी",
         "ﬁre", "ＡＢＣ", "İstanbul", "e\u0301", "\u1100\u1161\u11a8", "🤖", "👩‍👩‍👧", "🇩🇪", "x=1;", "def f(x):", "->", "//", "###", "...", "12", "3456789",
         "٣٤", "½", "Ⅷ", "a_b", "foo.bar", "http://x.y/z?q=1", "'ſ", "'S", "’s", "ǅa", "ABCdef", "iPhone", "\u200d", "\ufeff", "\x00", "\x7f", "\ufffd"]


def random_text(rng, specials):
    out = []
    for _ in range(rng.randint(1, 12)):
        kind = rng.random()
        if kind < 0.35:
            out.append("".join(chr(rng.choice(ASSIGNED)) for _ in range(rng.randint(1, 6))))
        elif kind < 0.6:
            out.append(rng.choice(WORDS))
        elif kind < 0.75:
            out.append("".join(rng.choice(SPACES[: rng.choice((1, 4, len(SPACES)))]) for _ in range(rng.randint(1, 4))))
        elif kind < 0.85:
            out.append("".join(chr(rng.randint(0x20, 0x7E)) for _ in range(rng.randint(1, 8))))
        elif kind < 0.92:
            out.append(chr(rng.randint(0x300, 0x36F)) * rng.randint(1, 3) + chr(rng.choice(ASSIGNED)))
        elif kind < 0.97 or not specials:
            out.append(" ")
        else:
            out.append(rng.choice(specials))
    return "".join(out)


def training_text(rng):
    """Words of the project's own pages and sources, and of the scripts of WORDS."""
    lines = []
    for path in sorted([*ROOT.glob("src/base/*.h"), *ROOT.glob("include/octet/*.h"), ROOT / "src/rooms.txt"]):
        lines += path.read_text(encoding="utf-8").splitlines()
    lines += [" ".join(rng.choice(WORDS) for _ in range(rng.randint(3, 12))) for _ in range(400)]
    lines += [" ".join(str(rng.randint(0, 99999)) for _ in range(6)) for _ in range(40)]
    return [line for line in lines if line]


SPECIALS = [AddedToken("<s>", special=True, normalized=False), AddedToken("</s>", special=True, normalized=False),
            AddedToken("<|im_end|>", special=True, normalized=False)]
PLAIN = [AddedToken("<tool>", normalized=False), AddedToken("lone", single_word=True, normalized=False),
         AddedToken("<left>", lstrip=True, normalized=False), AddedToken("<right>", rstrip=True, normalized=False), AddedToken("Cased Word", normalized=True)]


def finish(tokenizer, *, bos=False, extra=True):
    tokenizer.add_special_tokens(SPECIALS)
    if extra:
        tokenizer.add_tokens(PLAIN)
    if bos:
        start = tokenizer.token_to_id("<s>")
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", start)])
    return tokenizer


def byte_bpe(lines, steps, size, *, normalizer=None, bos=False, ignore_merges=False):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = steps
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return finish(tokenizer, bos=bos)


def sentencepiece_bpe(lines, size, *, normalizer, pre_tokenizer=None, decoder=None, train_with=None):
    byte_tokens = [f"<0x{b:02X}>" for b in range(256)]
    trained = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    trained.normalizer = normalizers.Replace(" ", "▁")
    trained.pre_tokenizer = train_with or pre_tokenizers.Split("▁", "merged_with_next")
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=["<unk>", "<s>", "</s>", *byte_tokens], limit_alphabet=150, show_progress=False)
    trained.train_from_iterator(lines, trainer)
    model = json.loads(trained.to_str())["model"]
    merges = [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in model["merges"]]
    tokenizer = Tokenizer(models.BPE(model["vocab"], merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoder or decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return finish(tokenizer, bos=True)


def charsmap(rules):
    """A SentencePiece charsmap of single-character rules: a double array of one level per byte, then the replacements."""
    replacements, offsets = b"", {}
    for source, target in sorted(rules.items()):
        offsets[source.encode()] = len(replacements)
        replacements += target.encode() + b"\0"
    trie = {}
    for source, offset in offsets.items():
        node = trie
        for byte in source:
            node = node.setdefault(byte, {})
        node[None] = offset
    # Each node's children lie at base ^ byte; a leaf's value lies at base ^ 0. Bases are multiples of 256, below 2^21.
    units, todo, next_base = {0: 0}, [(0, trie, 0)], 256
    while todo:
        index, node, label = todo.pop()
        base, next_base = next_base, next_base + 256
        offset = base ^ index
        assert offset < 1 << 21
        units[index] = offset << 10 | (1 << 8 if None in node else 0) | label
        for byte, child in node.items():
            if byte is None:
                units[base] = 1 << 31 | child
            else:
                todo.append((base ^ byte, child, byte))
    packed = b"".join(struct.pack("<I", units.get(i, 0)) for i in range(next_base))
    return struct.pack("<I", len(packed)) + packed + replacements


def charsmap_rules():
    wanted = [*range(0xA0, 0x100), *range(0x1E00, 0x1E40), *range(0xFB00, 0xFB07), *range(0xFF01, 0xFF20), 0x2126, 0x212B, 0x3000, 0x33A5]
    rules = {chr(c): unicodedata.normalize("NFKC", chr(c)) for c in wanted if unicodedata.normalize("NFKC", chr(c)) != chr(c)}
    rules.update({"\t": " ", "\n": " ", "\u200b": " ", "\x7f": "", "e\u0301": "é"})
    return rules


def unigram(lines, size, *, normalizer, pre_tokenizer, decoder, byte_fallback=False, suffix="</s>"):
    specials = ["<unk>", "<s>", "</s>"] + ([f"<0x{b:02X}>" for b in range(256)] if byte_fallback else [])
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    trainer = trainers.UnigramTrainer(vocab_size=size, unk_token="<unk>", special_tokens=specials, show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    if byte_fallback:
        model = json.loads(tokenizer.to_str())["model"]
        tokenizer.model = models.Unigram([tuple(entry) for entry in model["vocab"]], unk_id=0, byte_fallback=True)
    tokenizer.decoder = decoder
    finish(tokenizer)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {suffix}", pair=f"$A $B {suffix}", special_tokens=[(suffix, tokenizer.token_to_id(suffix))])
    return tokenizer


def wordpiece(lines, size, **options):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(**options)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    finish(tokenizer, extra=False)
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", cls), ("[SEP]", sep)])
    return tokenizer


def odds_and_ends(lines, size):
    """The parts that no family above has."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", continuing_subword_prefix="@@", end_of_word_suffix="</w>", fuse_unk=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Strip(), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Nmt(),
                                                 normalizers.Replace(Regex(r"\s{2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.Punctuation("contiguous"),
                                                       pre_tokenizers.CharDelimiterSplit("_"), pre_tokenizers.Split(Regex(r"[aeiou]+\b"), "merged_with_previous"),
                                                       pre_tokenizers.Split("x", "merged_with_next"), pre_tokenizers.Split(Regex(r"\w\d$|^\S"), "contiguous", invert=True)])
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=["<unk>"], continuing_subword_prefix="@@", end_of_word_suffix="</w>", limit_alphabet=100, show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.decoder = decoders.BPEDecoder("</w>")
    tokenizer.post_processor = processors.BertProcessing(("<unk>", 0), ("<unk>", 0))
    return finish(tokenizer)


def families(lines, size):
    rng_map = normalizers.Precompiled(charsmap(charsmap_rules()))
    spaces_to_bars = normalizers.Replace(" ", "▁")
    metaspace = pre_tokenizers.Metaspace("▁", "always", True)
    plain_decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    yield "gpt2", lambda: byte_bpe(lines, byte_level(use_regex=True), size)
    yield "smollm", lambda: byte_bpe(lines, byte_level(pre_tokenizers.Digits(individual_digits=True), use_regex=True), size)
    yield "llama3", lambda: byte_bpe(lines, byte_level(*splits(LLAMA3)), size, bos=True, ignore_merges=True)
    yield "qwen2", lambda: byte_bpe(lines, byte_level(*splits(QWEN2)), size, normalizer=normalizers.NFC())
    yield "qwen35", lambda: byte_bpe(lines, byte_level(*splits(QWEN35)), size, normalizer=normalizers.NFC())
    yield "deepseek3", lambda: byte_bpe(lines, byte_level(*splits(*DEEPSEEK3)), size, bos=True)
    yield "deepseek_coder", lambda: byte_bpe(lines, byte_level(*splits(*DEEPSEEK_CODER)), size)
    yield "tekken", lambda: byte_bpe(lines, byte_level(*splits(TEKKEN)), size, bos=True, ignore_merges=True)
    yield "gpt4o", lambda: byte_bpe(lines, byte_level(*splits(GPT4O)), size)
    yield "numbers_of_3", lambda: byte_bpe(lines, byte_level(*splits(*SPLIT_AT_NUMBERS_OF_3)), size)
    yield "llama2", lambda: sentencepiece_bpe(lines, size + 256, normalizer=normalizers.Sequence([normalizers.Prepend("▁"), spaces_to_bars]))
    yield "llama2_new", lambda: sentencepiece_bpe(lines, size + 256, normalizer=None, pre_tokenizer=pre_tokenizers.Metaspace("▁", "first", False))
    yield "gemma", lambda: sentencepiece_bpe(lines, size + 256, normalizer=spaces_to_bars, pre_tokenizer=pre_tokenizers.Split(" ", "merged_with_previous"),
                                             decoder=plain_decoder, train_with=pre_tokenizers.Split(Regex("▁+"), "isolated"))
    yield "t5", lambda: unigram(lines, size, normalizer=normalizers.Sequence([rng_map, normalizers.Replace(Regex(" {2,}"), " ")]), pre_tokenizer=metaspace,
                                decoder=decoders.Metaspace("▁", "always", True))
    yield "xlmr", lambda: unigram(lines, size + 256, normalizer=normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]),
                                  pre_tokenizer=pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace]), decoder=plain_decoder, byte_fallback=True)
    yield "bert", lambda: wordpiece(lines, size, lowercase=True)
    yield "bert_cased", lambda: wordpiece(lines, size, lowercase=False, strip_accents=False)
    yield "odds", lambda: odds_and_ends(lines, size)


HARD = ["", " ", "  ", "\n", "\n\n", "\t\n ", " \n a", "a", " a", "a ", "  a  ", "Hello World", "Hello, y'all! How are you 😁 ?", "I've we'LL they'd it'S 'ſo",
        "'", "''", "' s", "3", "33", "333", "3333", "33 333 3,333.33", "<s>hi</s>", "< s >", "<|im_end|>", "<|im_end|", "a<tool>b", "lone", "alone lone lonely lone.",
        "x  <left>  y", "x  <right>  y", "<right> \n<left>", "Cased Word", "cased word", "ﬁﬂ ½ Ⅷ ㎥", "\u0344\u0958\u2126\u212b", "e\u0301\u0327 \u0327e\u0301", "\u1112\u1161\u11ab",
        "\u200d\u200c\ufeff\u00ad", "\x00\x01\x7f\x85", "▁", "▁▁", " ▁ ", "a▁b", "<0x0A>", "<0xZZ>", "🤦🏼‍♂️ 👩‍👩‍👧‍👦 🇩🇪🇫🇷", "x" * 120, "ab" * 70, " " * 40 + "x", "\n" * 20,
        "a\r\nb\r\n\r\nc", "foo\u00a0bar\u2003baz\u3000", "中文和English混合123", "日本語のテキスト、句読点。", "ไทย ភាសា", "Z̸͈̎a̷l̴g̶o̵", "don\u2019t", "$100%^&*()_+{}|:\"<>?~`", "==== ----", "((()))",
        "isn't don't 'm  do not we 're .", "[CLS] [MASK] [SEP]", "\u0130I\u0131i\u1e9e\u00df", "\uac00\ub098\ub2e4", "\u3099か\u3099", "\uff76\uff9e"]


def case_of(tokenizer, text):
    ids = tokenizer.encode(text).ids
    return {"text": text, "ids": ids, "plain": tokenizer.encode(text, add_special_tokens=False).ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False),
            "skipped": tokenizer.decode(ids, skip_special_tokens=True)}


def write_family(folder, tokenizer, texts):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
    # What the file says counts: adding tokens to a tokenizer in memory and reading them from a file may differ.
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    with open(folder / "cases.jsonl", "w", encoding="utf-8") as out:
        for text in texts:
            out.write(json.dumps(case_of(tokenizer, text), ensure_ascii=False, separators=(",", ":")) + "\n")


def write_goldens():
    rng = random.Random(20)
    lines = training_text(rng)
    for name, make in families(lines, 420):
        texts = HARD + [random_text(rng, ["<s>", "<|im_end|>", "<tool>", "lone", "<left>", "<right>", "Cased Word"]) for _ in range(60)]
        write_family(GOLDEN / name, make(), texts)
        print(name, sum(f.stat().st_size for f in (GOLDEN / name).iterdir()), "bytes")


if __name__ == "__main__":
    write_goldens()
