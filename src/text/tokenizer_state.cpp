#include "text/tokenizer_state.h"

#include <algorithm>

#include "text/byte_level.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace octet {
namespace {

bool HasWordCharacter(std::string_view text) {
  for (size_t at = 0; at < text.size(); at += Utf8Length(text[at])) {
    if ((CharClassOf(DecodeUtf8(text, at).code_point) & kWord) != 0) return true;
  }
  return false;
}

}  // namespace

std::unique_ptr<EncodeScratch> ScratchPool::Take() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return std::make_unique<EncodeScratch>();
  std::unique_ptr<EncodeScratch> scratch = std::move(idle_.back());
  idle_.pop_back();
  return scratch;
}

void ScratchPool::Return(std::unique_ptr<EncodeScratch> scratch) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(scratch));
}

Result<std::unique_ptr<const Tokenizer::State>> Tokenizer::State::Make(TokenizerParts parts, std::string_view where) {
  auto state = std::make_unique<State>();
  state->normalizer = OCTET_TRY(Normalizer::Make(parts.normalizer, where));
  // A BPE with neither affixes nor another spelling for missing bytes starts from bytes as well as from their spelling.
  const bool spells_bytes = parts.model == TokenizerModel::kBpe && parts.subword_prefix.empty() &&
                            parts.word_suffix.empty() && !parts.byte_fallback;
  state->pre_tokenizer = OCTET_TRY(PreTokenizer::Make(parts.pre_tokenizer, spells_bytes, where));
  state->frame = OCTET_TRY(ReadPostProcessor(parts.post_processor, where));
  state->decoder = OCTET_TRY(TokenDecoder::Make(parts.decoder, where));
  state->vocabulary = Vocabulary(std::move(parts.tokens));
  OCTET_TRY(state->MakeModel(parts, where));
  state->added = std::move(parts.added_tokens);
  state->bos = parts.bos;
  state->eos = parts.eos;
  state->MakeMatchers();
  state->IndexIds();
  state->IndexBytes();
  return std::unique_ptr<const State>(std::move(state));
}

Status Tokenizer::State::MakeModel(const TokenizerParts& parts, std::string_view where) {
  if (parts.model == TokenizerModel::kBpe) {
    model = OCTET_TRY(BpeModel::Make(parts, vocabulary, pre_tokenizer.byte_level(), where));
  } else if (parts.model == TokenizerModel::kUnigram) {
    model = OCTET_TRY(UnigramModel::Make(parts, vocabulary, where));
  } else {
    model = WordPieceModel(parts, vocabulary);
  }
  return {};
}

void Tokenizer::State::MakeMatchers() {
  std::vector<AddedToken> raw, normalized;
  for (size_t place = 0; place < added.size(); ++place) {
    added_index.Insert(added[place].content, static_cast<int32_t>(place));
    if (!added[place].normalized) {
      raw.push_back(added[place]);
      continue;
    }
    MarkedText content{added[place].content, {}};
    normalizer.Apply(content);
    normalized.push_back(added[place]);
    normalized.back().content = std::move(content.text);
  }
  raw_matcher = AddedTokenMatcher(std::move(raw));
  normalized_matcher = AddedTokenMatcher(std::move(normalized));
}

void Tokenizer::State::IndexIds() {
  size_t ids = vocabulary.size();
  for (const AddedToken& token : added) ids = std::max(ids, static_cast<size_t>(token.id) + 1);
  texts.resize(ids);
  special.resize(ids);
  for (size_t id = 0; id < vocabulary.size(); ++id) texts[id] = vocabulary.Text(static_cast<int32_t>(id));
  std::vector<bool> held(ids);
  for (const AddedToken& token : added) {
    const auto id = static_cast<size_t>(token.id);
    texts[id] = token.content;
    special[id] = token.special;
    held[id] = token.special || LooksLikeControl(token.content);
  }
  guard = TokenGuard(std::move(held));
  // The reference decodes a normalized token as the normalizer left it. Special ones keep their name here, so that they
  // can still be skipped.
  decoded_texts = texts;
  normalized_contents.reserve(added.size());
  for (const AddedToken& token : added) {
    if (!token.normalized || token.special) continue;
    MarkedText content{token.content, {}};
    normalizer.Apply(content);
    normalized_contents.push_back(std::move(content.text));
    decoded_texts[static_cast<size_t>(token.id)] = normalized_contents.back();
  }
}

void Tokenizer::State::IndexBytes() {
  byte_offsets.reserve(texts.size() + 1);
  for (const std::string_view token : decoded_texts) {
    byte_offsets.push_back(static_cast<uint32_t>(byte_text.size()));
    if (!decoder.only_byte_level()) {
      byte_text += decoder.Prepare(token);
      continue;
    }
    const std::optional<std::string> bytes = BytesOfByteLevel(token);
    byte_text += bytes ? std::string_view(*bytes) : token;
  }
  byte_offsets.push_back(static_cast<uint32_t>(byte_text.size()));
}

std::vector<int32_t> Tokenizer::State::TokensIn(std::string_view template_source) const {
  std::vector<int32_t> ids;
  for (const AddedToken& token : added) {
    if (!token.special && HasWordCharacter(token.content) &&
        template_source.find(token.content) != std::string_view::npos)
      ids.push_back(token.id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::vector<int32_t> Tokenizer::State::Encode(const MarkedText& text, bool add_special,
                                              const AddedTokenRules& rules) const {
  std::unique_ptr<EncodeScratch> memory = scratch.Take();
  std::vector<int32_t> ids;
  ids.reserve(text.text.size() / 3 + 8);
  if (add_special) ids = frame.before;
  raw_matcher.Split(text.text, text.trust, rules, memory->sections);
  for (const TextSection section : memory->sections) {
    if (section.token >= 0) {
      ids.push_back(section.token);
      continue;
    }
    const MarkedText part{
        text.text.substr(section.begin, section.end - section.begin),
        text.marked() ? text.trust.substr(section.begin, section.end - section.begin) : std::string()};
    EncodeSection(part, section.begin == 0, rules, *memory, ids);
  }
  if (add_special) ids.insert(ids.end(), frame.after.begin(), frame.after.end());
  scratch.Return(std::move(memory));
  return ids;
}

void Tokenizer::State::EncodeSection(const MarkedText& text, bool starts_input, const AddedTokenRules& rules,
                                     EncodeScratch& memory, std::vector<int32_t>& ids) const {
  MarkedText normalized = text;
  normalizer.Apply(normalized);
  normalized_matcher.Split(normalized.text, normalized.trust, rules, memory.inner_sections);
  for (const TextSection section : memory.inner_sections) {
    if (section.token >= 0) {
      ids.push_back(section.token);
    } else {
      const size_t size = section.end - section.begin;
      const bool trusted = !normalized.marked() || normalized.trust.find('\0', section.begin) >= section.end;
      EncodePlain(std::string_view(normalized.text).substr(section.begin, size),
                  {.starts_input = starts_input && section.begin == 0, .guarded = !trusted || !rules.parse_special},
                  memory, ids);
    }
  }
}

void Tokenizer::State::EncodePlain(std::string_view text, const PlainRules& rules, EncodeScratch& memory,
                                   std::vector<int32_t>& ids) const {
  Words& words = memory.words;
  words.text = text;
  words.starts_input = rules.starts_input;
  words.spans.assign(1, {0, text.size()});
  pre_tokenizer.Apply(words);
  for (const WordSpan span : words.spans) {
    const auto before = static_cast<std::ptrdiff_t>(ids.size());
    EncodeWord(words.At(span), nullptr, memory, ids);
    // Hardly a word yields a token that is held: those that do are done again, with a guard.
    if (!rules.guarded || std::none_of(ids.begin() + before, ids.end(), [this](int32_t id) { return guard.Holds(id); }))
      continue;
    ids.resize(static_cast<size_t>(before));
    EncodeWord(words.At(span), &guard, memory, ids);
  }
}

void Tokenizer::State::EncodeWord(std::string_view word, const TokenGuard* word_guard, EncodeScratch& memory,
                                  std::vector<int32_t>& ids) const {
  if (const auto* bpe = std::get_if<BpeModel>(&model)) {
    bpe->EncodeWord(word, word_guard, memory.bpe, ids);
  } else if (const auto* unigram = std::get_if<UnigramModel>(&model)) {
    unigram->EncodeWord(word, word_guard, memory.unigram, ids);
  } else if (const auto* wordpiece = std::get_if<WordPieceModel>(&model)) {
    wordpiece->EncodeWord(word, word_guard, ids);
  }
}

}  // namespace octet
