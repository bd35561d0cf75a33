#include "formats/gguf_config.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "base/counted.h"
#include "formats/gguf_rope.h"

namespace octet {
namespace {

// A number that was a 32-bit float prints as that float would: 1e-05, not 9.999999747378752e-06.
double Shortest(double value) {
  const float narrow = static_cast<float>(value);
  if (static_cast<double>(narrow) != value) return value;
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, narrow).ptr;
  double shortest = value;
  std::from_chars(text, end, shortest);
  return shortest;
}

// Reads the keys of one architecture and writes the fields of config.json.
// Of Gemma's scores: the square root of query_pre_attn_scalar is what they are divided by.
constexpr double kLargestDivisor = 1e12;

class ConfigMaker {
 public:
  ConfigMaker(const GgufFile& file, const GgufArchitecture& architecture) : file_(file), architecture_(architecture) {}

  Result<Json> Make() {
    config_["architectures"] = {architecture_.class_name};
    config_["model_type"] = architecture_.model_type;
    OCTET_TRY(RefuseExperts());
    OCTET_TRY(AddSizes());
    OCTET_TRY(AddHeads());
    OCTET_TRY(AddAttention());
    OCTET_TRY(AddRope());
    if (architecture_.four_norms) OCTET_TRY(AddGemma());
    AddFlags();
    return config_;
  }

 private:
  std::string Key(std::string_view suffix) const { return Cat(architecture_.name, ".", suffix); }
  bool Has(std::string_view suffix) const { return file_.Has(Key(suffix)); }

  // A positive integer; `fallback` where the key is missing and fallback isn't 0.
  Result<int64_t> Integer(std::string_view suffix, int64_t fallback = 0) const {
    if (fallback != 0 && !Has(suffix)) return fallback;
    const GgufValue* value = file_.Find(Key(suffix));
    if (value != nullptr && std::holds_alternative<GgufArray>(*value)) {
      return Fail(ErrorCode::kUnsupported, file_.path(), ": `", Key(suffix),
                  "` differs by layer, which Octet doesn't support");
    }
    const int64_t number = OCTET_TRY(file_.GetInteger(Key(suffix)));
    if (number <= 0 || number > INT32_MAX) {
      return Fail(ErrorCode::kCorrupt, file_.path(), ": `", Key(suffix), "` is ", number, ", 1 to ", INT32_MAX,
                  " is possible");
    }
    return number;
  }

  Result<double> Number(std::string_view suffix, double fallback) const {
    if (!Has(suffix)) return fallback;
    return Shortest(OCTET_TRY(file_.GetNumber(Key(suffix))));
  }

  Status RefuseExperts() const {
    if (!Has("expert_count")) return {};
    const int64_t experts = OCTET_TRY(file_.GetInteger(Key("expert_count")));
    if (experts == 0) return {};
    return Fail(ErrorCode::kUnsupported, file_.path(), ": has ", Counted(experts, "expert"),
                "; mixtures of experts can't be read from GGUF");
  }

  Status AddSizes() {
    config_["hidden_size"] = OCTET_TRY(Integer("embedding_length"));
    config_["intermediate_size"] = OCTET_TRY(Integer("feed_forward_length"));
    config_["num_hidden_layers"] = OCTET_TRY(Integer("block_count"));
    config_["max_position_embeddings"] = OCTET_TRY(Integer("context_length"));
    config_["rms_norm_eps"] = OCTET_TRY(Number("attention.layer_norm_rms_epsilon", 1e-5));
    const GgufTensor* embedding = file_.FindTensor("token_embd.weight");
    if (embedding == nullptr) return Fail(ErrorCode::kCorrupt, file_.path(), ": tensor `token_embd.weight` is missing");
    config_["vocab_size"] = RowCount(embedding->shape);
    config_[architecture_.gelu ? "hidden_activation" : "hidden_act"] =
        architecture_.gelu ? "gelu_pytorch_tanh" : "silu";
    return {};
  }

  Status AddHeads() {
    hidden_ = config_["hidden_size"].get<int64_t>();
    heads_ = OCTET_TRY(Integer("attention.head_count"));
    config_["num_attention_heads"] = heads_;
    config_["num_key_value_heads"] = OCTET_TRY(Integer("attention.head_count_kv", heads_));
    const bool partial_rope = architecture_.fused;
    const int64_t from_hidden = std::max<int64_t>(hidden_ / heads_, 1);
    const int64_t fallback = partial_rope ? from_hidden : OCTET_TRY(Integer("rope.dimension_count", from_hidden));
    head_dim_ = OCTET_TRY(Integer("attention.key_length", fallback));
    const int64_t value_dim = OCTET_TRY(Integer("attention.value_length", head_dim_));
    if (value_dim != head_dim_) {
      return Fail(ErrorCode::kUnsupported, file_.path(), ": keys have ", Counted(head_dim_, "number"),
                  " per head, values ", value_dim, "; Octet needs them equal");
    }
    config_["head_dim"] = head_dim_;
    const int64_t rotated = OCTET_TRY(Integer("rope.dimension_count", head_dim_));
    if (rotated == head_dim_) return {};
    if (!partial_rope || rotated > head_dim_) {
      return Fail(ErrorCode::kUnsupported, file_.path(), ": `", Key("rope.dimension_count"), "` is ", rotated,
                  ", heads have ", Counted(head_dim_, "number"));
    }
    config_["partial_rotary_factor"] = static_cast<double>(rotated) / static_cast<double>(head_dim_);
    return {};
  }

  Status AddAttention() {
    if (Has("attention.sliding_window")) {
      const int64_t window = OCTET_TRY(file_.GetInteger(Key("attention.sliding_window")));
      // Phi-3 writes 0 where there is no window.
      if (window > 0) {
        config_["sliding_window"] = window;
        if (architecture_.name == "llama") {
          config_["model_type"] = "mistral";
          config_["architectures"] = {"MistralForCausalLM"};
        }
        if (architecture_.name == "qwen2" || architecture_.name == "qwen3") config_["use_sliding_window"] = true;
      }
    }
    if (!config_.contains("sliding_window") && architecture_.fused) config_["sliding_window"] = nullptr;
    return {};
  }

  Status AddRope() {
    theta_ = OCTET_TRY(Number("rope.freq_base", 10000.0));
    config_["rope_theta"] = theta_;
    const GgufTensor* divisors = file_.FindTensor("rope_freqs.weight");
    if (divisors != nullptr) return AddLlama3Scaling(*divisors);
    if (file_.FindTensor("rope_factors_long.weight") != nullptr) return AddLongRope();
    if (architecture_.fused) {
      config_["original_max_position_embeddings"] =
          OCTET_TRY(Integer("rope.scaling.original_context_length", config_["max_position_embeddings"].get<int64_t>()));
    }
    return AddScalingType();
  }

  Result<std::vector<float>> ReadFactors(std::string_view name) const {
    const GgufTensor* tensor = file_.FindTensor(name);
    const int64_t rotated = OCTET_TRY(Integer("rope.dimension_count", head_dim_));
    if (tensor == nullptr || tensor->type != "F32" || tensor->shape != Shape{static_cast<uint64_t>(rotated / 2)}) {
      return Fail(ErrorCode::kCorrupt, file_.path(), ": tensor `", name, "` is ",
                  tensor ? ToText(tensor->shape) : "missing", ", F32 of [", rotated / 2, "] is expected");
    }
    std::vector<float> factors(static_cast<size_t>(rotated / 2));
    DecodeElements(DType::kF32, file_.Bytes(*tensor).data(), factors.size(), factors.data());
    return factors;
  }

  Status AddLlama3Scaling(const GgufTensor& divisors) {
    const std::vector<float> factors = OCTET_TRY(ReadFactors(divisors.name));
    config_["rope_scaling"] = OCTET_TRY(RecoverLlama3Scaling(factors, theta_, file_.path().native()));
    return {};
  }

  Status AddLongRope() {
    Json scaling = {{"type", "longrope"}};
    const std::pair<const char*, const char*> kinds[] = {{"short_factor", "rope_factors_short.weight"},
                                                         {"long_factor", "rope_factors_long.weight"}};
    for (const auto& [field, tensor] : kinds) {
      const std::vector<float> factors = OCTET_TRY(ReadFactors(tensor));
      for (const float factor : factors) scaling[field].push_back(Shortest(factor));
    }
    const int64_t maximum = config_["max_position_embeddings"].get<int64_t>();
    const int64_t original = OCTET_TRY(Integer("rope.scaling.original_context_length", maximum));
    const double scale = static_cast<double>(maximum) / static_cast<double>(original);
    const double usual = scale > 1 ? std::sqrt(1 + std::log(scale) / std::log(static_cast<double>(original))) : 1.0;
    const double attention_factor = OCTET_TRY(Number("rope.scaling.attn_factor", usual));
    // Only where it isn't what readers compute by themselves.
    if (std::abs(attention_factor - usual) > 1e-5) scaling["attention_factor"] = attention_factor;
    config_["original_max_position_embeddings"] = original;
    config_["rope_scaling"] = std::move(scaling);
    return {};
  }

  Status AddScalingType() {
    config_["rope_scaling"] = nullptr;
    const bool has_factor = Has("rope.scaling.factor") || Has("rope.scale_linear");
    std::string_view type = has_factor ? "linear" : "none";
    if (Has("rope.scaling.type")) type = OCTET_TRY(file_.GetString(Key("rope.scaling.type")));
    if (type == "none" || type.empty()) return {};
    const double factor =
        OCTET_TRY(Number(Has("rope.scaling.factor") ? "rope.scaling.factor" : "rope.scale_linear", 1.0));
    if (type == "linear") {
      if (factor != 1) config_["rope_scaling"] = {{"rope_type", "linear"}, {"factor", factor}};
      return {};
    }
    if (type != "yarn") {
      return Fail(ErrorCode::kUnsupported, file_.path(), ": rope scaling `", type,
                  "` isn't known; linear, yarn, longrope and llama3 are");
    }
    Json scaling = {{"rope_type", "yarn"}, {"factor", factor}};
    scaling["original_max_position_embeddings"] = OCTET_TRY(Integer("rope.scaling.original_context_length"));
    const std::pair<const char*, const char*> optional[] = {{"rope.scaling.yarn_attn_factor", "attention_factor"},
                                                            {"rope.scaling.yarn_beta_fast", "beta_fast"},
                                                            {"rope.scaling.yarn_beta_slow", "beta_slow"}};
    for (const auto& [key, field] : optional) {
      if (Has(key)) scaling[field] = OCTET_TRY(Number(key, 0));
    }
    config_["rope_scaling"] = std::move(scaling);
    return {};
  }

  Status AddGemma() {
    const bool second = architecture_.name == "gemma2";
    if (second || Has("final_logit_softcapping")) {
      config_["final_logit_softcapping"] = OCTET_TRY(Number("final_logit_softcapping", 30.0));
    }
    if (second) {
      config_["attn_logit_softcapping"] = OCTET_TRY(Number("attn_logit_softcapping", 50.0));
      if (!config_.contains("sliding_window")) config_["sliding_window"] = 4096;
    } else {
      config_["rope_local_base_freq"] = OCTET_TRY(Number("rope.freq_base_swa", 10000.0));
      config_["sliding_window_pattern"] =
          config_.contains("sliding_window") ? OCTET_TRY(Integer("attention.sliding_window_pattern", 6)) : 1;
      if (!config_.contains("sliding_window")) config_["sliding_window"] = 4096;
    }
    // The file doesn't say what scores are divided by: the 27B models, known by their depth, differ from the others.
    const int64_t depth_of_27b = second ? 46 : 62;
    const bool is_27b = config_["num_hidden_layers"] == depth_of_27b;
    const double usual = static_cast<double>(is_27b ? hidden_ / heads_ : head_dim_);
    const double scale = OCTET_TRY(Number("attention.scale", 0.0));
    const double scalar = scale > 0 ? 1 / (scale * scale) : usual;
    if (!(scalar <= kLargestDivisor)) {
      return Fail(ErrorCode::kCorrupt, file_.path(), ": `", Key("attention.scale"), "` is ", scale,
                  ", scores would be divided by more than ", std::sqrt(kLargestDivisor));
    }
    const double rounded = std::round(scalar);
    const bool whole = std::abs(scalar - rounded) < 1e-4 * scalar;
    if (whole) config_["query_pre_attn_scalar"] = static_cast<int64_t>(rounded);
    if (!whole) config_["query_pre_attn_scalar"] = scalar;
    return {};
  }

  void AddFlags() {
    config_["tie_word_embeddings"] = file_.FindTensor("output.weight") == nullptr;
    if (architecture_.name == "llama") {
      config_["attention_bias"] = file_.FindTensor("blk.0.attn_q.bias") != nullptr;
      config_["mlp_bias"] = file_.FindTensor("blk.0.ffn_up.bias") != nullptr;
    }
    if (architecture_.name == "qwen3") config_["attention_bias"] = file_.FindTensor("blk.0.attn_q.bias") != nullptr;
  }

  const GgufFile& file_;
  const GgufArchitecture& architecture_;
  Json config_ = Json::object();
  int64_t hidden_ = 0;
  int64_t heads_ = 0;
  int64_t head_dim_ = 0;
  double theta_ = 0;
};

// Tokens that end an answer whatever the metadata says, as llama.cpp has it: files often name only one of a model's
// two.
constexpr std::string_view kEndTexts[] = {"<|eot_id|>", "<|im_end|>",      "<|end|>", "<end_of_turn>", "<|endoftext|>",
                                          "<|eom_id|>", "<|end_of_text|>", "<EOT>",   "_<EOT>"};

struct Tokens {
  std::vector<std::string_view> texts;
  std::vector<int64_t> types;
};

Result<Tokens> ReadTokens(const GgufFile& file) {
  Tokens tokens;
  if (file.Has("tokenizer.ggml.tokens")) tokens.texts = OCTET_TRY(file.GetStrings("tokenizer.ggml.tokens"));
  if (file.Has("tokenizer.ggml.token_type")) tokens.types = OCTET_TRY(file.GetIntegers("tokenizer.ggml.token_type"));
  return tokens;
}

Result<std::vector<int64_t>> EndTokens(const GgufFile& file, const Tokens& tokens) {
  std::vector<int64_t> ends;
  const auto add = [&](int64_t id) {
    if (std::find(ends.begin(), ends.end(), id) == ends.end()) ends.push_back(id);
  };
  for (const char* key :
       {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    if (file.Has(key)) add(OCTET_TRY(file.GetInteger(key)));
  }
  constexpr int64_t kNormalToken = 1;
  for (size_t id = 0; id < tokens.texts.size(); ++id) {
    if (id < tokens.types.size() && tokens.types[id] == kNormalToken) continue;
    const auto found = std::find(std::begin(kEndTexts), std::end(kEndTexts), tokens.texts[id]);
    if (found != std::end(kEndTexts)) add(static_cast<int64_t>(id));
  }
  return ends;
}

// bos, eos, unk and pad, by id in `ids` and by text in `texts`.
Status AddSpecialTokens(const GgufFile& file, const Tokens& tokens, Json& ids, Json& texts) {
  const std::pair<const char*, const char*> kinds[] = {{"bos_token", "bos_token_id"},
                                                       {"eos_token", "eos_token_id"},
                                                       {"unk_token", "unknown_token_id"},
                                                       {"pad_token", "padding_token_id"}};
  for (const auto& [name, key] : kinds) {
    const std::string full_key = Cat("tokenizer.ggml.", key);
    if (!file.Has(full_key)) continue;
    const int64_t id = OCTET_TRY(file.GetInteger(full_key));
    if (id < 0 || static_cast<size_t>(id) >= tokens.texts.size()) {
      return Fail(ErrorCode::kCorrupt, file.path(), ": `", full_key, "` is ", id, ", the vocabulary has ",
                  Counted(tokens.texts.size(), "token"));
    }
    if (std::string_view(name) != "unk_token") ids[Cat(name, "_id")] = id;
    texts[name] = tokens.texts[static_cast<size_t>(id)];
  }
  return {};
}

Status AddTokenizerFlags(const GgufFile& file, Json& texts) {
  const std::pair<const char*, const char*> kinds[] = {{"tokenizer.ggml.add_bos_token", "add_bos_token"},
                                                       {"tokenizer.ggml.add_eos_token", "add_eos_token"}};
  for (const auto& [key, field] : kinds) {
    if (file.Has(key)) texts[field] = OCTET_TRY(file.GetBool(key));
  }
  return {};
}

}  // namespace

Result<Json> GgufChatTemplate(const GgufFile& file) {
  constexpr const char* kDefault = "tokenizer.chat_template";
  constexpr const char* kTools = "tokenizer.chat_template.tool_use";
  if (!file.Has(kDefault)) return Json();
  const std::string_view text = OCTET_TRY(file.GetString(kDefault));
  if (!file.Has(kTools)) return Json(text);
  const std::string_view tools = OCTET_TRY(file.GetString(kTools));
  return Json::array({{{"name", "default"}, {"template", text}}, {{"name", "tool_use"}, {"template", tools}}});
}

Result<GgufConfig> MakeGgufConfig(const GgufFile& file, const GgufArchitecture* architecture) {
  GgufConfig made;
  const Tokens tokens = OCTET_TRY(ReadTokens(file));
  if (file.tensors().empty() || architecture == nullptr) {
    made.config = {{"model_type", OCTET_TRY(file.GetString("general.architecture"))},
                   {"vocab_size", tokens.texts.size()}};
  } else {
    made.config = OCTET_TRY(ConfigMaker(file, *architecture).Make());
  }
  made.tokenizer_config = Json::object();
  Json ids = Json::object();
  OCTET_TRY(AddSpecialTokens(file, tokens, ids, made.tokenizer_config));
  OCTET_TRY(AddTokenizerFlags(file, made.tokenizer_config));
  const Json chat_template = OCTET_TRY(GgufChatTemplate(file));
  if (!chat_template.is_null()) made.tokenizer_config["chat_template"] = chat_template;
  made.config.update(ids);
  made.generation_config = ids;
  const std::vector<int64_t> ends = OCTET_TRY(EndTokens(file, tokens));
  if (ends.size() > 1) made.generation_config["eos_token_id"] = ends;
  return made;
}

}  // namespace octet
