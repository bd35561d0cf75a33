#include "text/gguf_pre.h"

#include <algorithm>
#include <vector>

#include "text/pattern_scanner.h"

namespace octet {
namespace {

using Patterns = std::vector<std::string_view>;

#define OCTET_CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define OCTET_TAIL "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define OCTET_SLASH_TAIL "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define OCTET_CAPITALS "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define OCTET_SMALL "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define OCTET_NOT_WORD "[^\\r\\n\\p{L}\\p{N}]?"
#define OCTET_CASED(suffix) \
  OCTET_NOT_WORD OCTET_CAPITALS "*" OCTET_SMALL "+" suffix "|" OCTET_NOT_WORD OCTET_CAPITALS "+" OCTET_SMALL "*" suffix
#define OCTET_ASCII_SIGN_AND_WORD "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"

constexpr std::string_view kLlama3 = OCTET_CONTRACTIONS "|" OCTET_NOT_WORD "\\p{L}+|\\p{N}{1,3}" OCTET_TAIL;
constexpr std::string_view kQwen2 = OCTET_CONTRACTIONS "|" OCTET_NOT_WORD "\\p{L}+|\\p{N}" OCTET_TAIL;
constexpr std::string_view kQwen35 = OCTET_CONTRACTIONS
    "|" OCTET_NOT_WORD "[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kWithoutContractions = OCTET_NOT_WORD "\\p{L}+|\\p{N}" OCTET_TAIL;
constexpr std::string_view kTekken = OCTET_CASED("") "|\\p{N}" OCTET_SLASH_TAIL;
constexpr std::string_view kGpt4o = OCTET_CASED(OCTET_CONTRACTIONS "?") "|\\p{N}{1,3}" OCTET_SLASH_TAIL;
constexpr std::string_view kYoutu = OCTET_CASED(OCTET_CONTRACTIONS "?") "|\\p{N}" OCTET_SLASH_TAIL;
constexpr std::string_view kJais2 = OCTET_CONTRACTIONS
    "|" OCTET_NOT_WORD
    "\\p{L}+|\\p{N}{1,3}| "
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|\\s{64}(?!\\S)|"
    "\\s{32}(?!\\S)|\\s{16}(?!\\S)|\\s{8}(?!\\S)|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s{1}";
constexpr std::string_view kDigitsOf3 = "\\p{N}{1,3}";
constexpr std::string_view kDigit = "\\p{N}";
constexpr std::string_view kKanaAndHan = "[一-龥\u3040-ゟ゠-ヿ]+";
constexpr std::string_view kHanAndHangul = "[一-龥ࠀ-一가-퟿]+";
constexpr std::string_view kDeepSeek3 = OCTET_ASCII_SIGN_AND_WORD
    "|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kAfmoe = OCTET_ASCII_SIGN_AND_WORD
    "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kSpark =
    OCTET_ASCII_SIGN_AND_WORD "|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+|[\r\n]|\\s+(?!\\S)|\\s+";
// The formatter breaks strings of these letters anew at every call.
// clang-format off
constexpr std::string_view kSoutheastAsian =
    "[一-鿿㐀-䶿豈-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+";
constexpr std::string_view kLatinGreekCyrillic =
    "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-"
    "ᏽᲐ-"
    "ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-"
    "ℓℕℙ-"
    "ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-"
    "𐓻"
    "𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+";
// clang-format on
constexpr std::string_view kPunctuationRuns = "\\s?[!-/:-~！-／：-～‘-‟　-。]+";
constexpr std::string_view kBloom = " ?[^(\\s|.,!?…。，、।۔،)]+";
constexpr std::string_view kBailing = "'(?i:[sdmt]|ll|ve|re)|" OCTET_NOT_WORD
                                      "\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+";
constexpr std::string_view kSeedCoder = OCTET_CONTRACTIONS
    "|" OCTET_NOT_WORD "\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kExaoneMoe = OCTET_CONTRACTIONS
    "|" OCTET_NOT_WORD
    "(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+";
constexpr std::string_view kMiniCpm5 = OCTET_CONTRACTIONS "|" OCTET_NOT_WORD "\\p{L}+|\\p{N}+" OCTET_TAIL;
// Chinese characters apart, then words by case that have none.
#define OCTET_NO_HAN(letters) "(?:(?!\\p{Han})" letters ")"
constexpr std::string_view kKimi = "\\p{Han}+|" OCTET_NOT_WORD OCTET_NO_HAN(OCTET_CAPITALS) "*" OCTET_NO_HAN(
    OCTET_SMALL) "+" OCTET_CONTRACTIONS
                 "?|" OCTET_NOT_WORD OCTET_NO_HAN(OCTET_CAPITALS) "+" OCTET_NO_HAN(
                     OCTET_SMALL) "*" OCTET_CONTRACTIONS "?|\\p{N}{1,3}" OCTET_TAIL;

enum Features : unsigned {
  kNone = 0,
  kIgnoreMerges = 1,
  kAddsBos = 2,
  kGpt2After = 4,
  kEscapesSpaces = 8,
  kRawText = 16
};

struct Known {
  std::string_view names;  // separated by spaces
  Patterns patterns;       // one Split each; kGpt2After adds ByteLevel's own pattern
  unsigned features = kNone;
};

const std::vector<Known>& AllKnown() {
  static const std::vector<Known> known = {
      {"gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert jina-v1-en jina-v2-code "
       "roberta-bpe mpt "
       "olmo jais exaone4 trillion granite-docling",
       {},
       kGpt2After},
      {"starcoder refact command-r smollm codeshell exaone minerva-7b mellum2", {kDigit}, kGpt2After},
      {"llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
       {kLlama3},
       kIgnoreMerges | kAddsBos},
      {"dbrx smaug-bpe chatglm-bpe", {kLlama3}},
      {"glm4 glm5", {kLlama3}, kIgnoreMerges},
      {"qwen2 deepseek-r1-qwen kormo f2llmv2 stablelm2 hunyuan solar-open megrez grok-2", {kQwen2}},
      {"qwen35", {kQwen35}},
      {"ufakzeka", {kWithoutContractions}},
      {"jais-2", {kJais2}},
      {"deepseek-llm", {"[\r\n]", kLatinGreekCyrillic, kPunctuationRuns, "\\s+$", kHanAndHangul, "\\p{N}+"}},
      {"deepseek-coder", {"[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", kHanAndHangul, kDigit}},
      {"deepseek-v3 hunyuan-dense joyai-llm hy_v4", {kDigitsOf3, kKanaAndHan, kDeepSeek3}},
      {"spark2_5", {kDigitsOf3, kKanaAndHan, kSpark, kDigit}},
      {"youtu",
       {"[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥\u3040-ゟ゠-ヿ]+",
        kYoutu},
       kIgnoreMerges},
      {"falcon", {"[\\p{P}\\$\\+<=>\\^~\\|`]+", kGpt2Pattern, "[0-9][0-9][0-9]"}},
      {"default", {"[\\p{P}\\$\\+<=>\\^~\\|]+", kGpt2Pattern, "\\p{N}+", "[0-9][0-9][0-9]"}},
      {"poro-chat bloom gpt3-finnish", {kBloom}},
      {"viking", {kBloom, kDigit}},
      {"tekken", {kTekken}, kIgnoreMerges | kAddsBos},
      {"chameleon",
       {"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )", kDigit,
        "[\\p{P}!-/:-@\\[-`{-~]"},
       kGpt2After | kAddsBos},
      {"gpt-4o llama4 kanana2 talkie minimax-m2", {kGpt4o}},
      {"granite-embed-multi-97m", {kGpt4o}, kIgnoreMerges},
      {"tiny_aya cohere2moe", {"\\d{1,3}(?=(?:\\d{3})*\\b)", kGpt4o}},
      {"kimi-k2", {kKimi}},
      {"superbpe", {"\\p{N}+", "(?=(\\d{3})+(?!\\d))"}},
      {"bailingmoe bailingmoe2 llada-moe", {kBailing}},
      {"seed-coder", {kSeedCoder}},
      {"afmoe", {"\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))", kSoutheastAsian, kAfmoe}},
      {"laguna", {"[^\\n]+|[\\n]+", kQwen2}},
      {"exaone-moe", {kExaoneMoe}},
      {"minicpm5", {kDigitsOf3, kMiniCpm5}, kIgnoreMerges},
      {"gemma4 granite-embed-multi-311m sarvam-moe", {"[^\\n]+|[\\n]+"}, kEscapesSpaces | kRawText},
      {"whitespace", {"\\S+"}, kRawText},
  };
  return known;
}

bool HasName(std::string_view names, std::string_view name) {
  for (size_t at = 0; at < names.size();) {
    const size_t end = std::min(names.find(' ', at), names.size());
    if (names.substr(at, end - at) == name) return true;
    at = end + 1;
  }
  return false;
}

Json MakePreTokenizer(const Known& known) {
  Json steps = Json::array();
  for (const std::string_view pattern : known.patterns) {
    steps.push_back(
        {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}});
  }
  if ((known.features & kRawText) == 0) {
    steps.push_back({{"type", "ByteLevel"},
                     {"add_prefix_space", false},
                     {"trim_offsets", true},
                     {"use_regex", (known.features & kGpt2After) != 0}});
  }
  return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

}  // namespace

Result<GgufPreTokenizer> FindGgufPreTokenizer(std::string_view name, std::string_view where) {
  const std::string_view wanted = name.empty() ? "default" : name;
  for (const Known& known : AllKnown()) {
    if (!HasName(known.names, wanted)) continue;
    return GgufPreTokenizer{.pre_tokenizer = MakePreTokenizer(known),
                            .byte_level = (known.features & kRawText) == 0,
                            .ignore_merges = (known.features & kIgnoreMerges) != 0,
                            .adds_bos = (known.features & kAddsBos) != 0,
                            .escapes_spaces = (known.features & kEscapesSpaces) != 0};
  }
  return Fail(ErrorCode::kUnsupported, where, ": tokenizer.ggml.pre is `", name,
              "`, a pre-tokenizer that this build doesn't know");
}

}  // namespace octet
