#include "engine/random_weights.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <span>

#include "base/json.h"
#include "base/nearest.h"
#include "models/hf_config.h"
#include "numeric/fp16.h"

namespace octet {
namespace {

// What distinguishes published decoders; the rest follows from the model type's defaults. `context`: tokens that the
// published config allows; angles stretched for it (Llama 3.2) are left out, no speed depends on them.
struct PublishedShape {
  std::string_view name;
  std::string_view model_type;
  int layers, hidden, heads, kv_heads, head_dim, width, vocab, context;
  bool tied;
};

constexpr std::array<PublishedShape, 15> kShapes = {{
    {"smollm2-135m", "llama", 30, 576, 9, 3, 64, 1536, 49152, 8192, true},
    {"smollm2-360m", "llama", 32, 960, 15, 5, 64, 2560, 49152, 8192, true},
    {"smollm2-1.7b", "llama", 24, 2048, 32, 32, 64, 8192, 49152, 8192, true},
    {"llama-3.2-1b", "llama", 16, 2048, 32, 8, 64, 8192, 128256, 131072, true},
    {"llama-3.2-3b", "llama", 28, 3072, 24, 8, 128, 8192, 128256, 131072, true},
    {"llama-3-8b", "llama", 32, 4096, 32, 8, 128, 14336, 128256, 8192, false},
    {"qwen2.5-0.5b", "qwen2", 24, 896, 14, 2, 64, 4864, 151936, 32768, true},
    {"qwen2.5-1.5b", "qwen2", 28, 1536, 12, 2, 128, 8960, 151936, 32768, true},
    {"qwen2.5-3b", "qwen2", 36, 2048, 16, 2, 128, 11008, 151936, 32768, true},
    {"qwen2.5-7b", "qwen2", 28, 3584, 28, 4, 128, 18944, 152064, 32768, false},
    {"gemma-3-270m", "gemma3_text", 18, 640, 4, 1, 256, 2048, 262144, 32768, true},
    {"gemma-3-1b", "gemma3_text", 26, 1152, 4, 1, 256, 6912, 262144, 32768, true},
    {"gemma-2-2b", "gemma2", 26, 2304, 8, 4, 256, 9216, 256000, 8192, true},
    {"phi-3-mini", "phi3", 32, 3072, 32, 32, 96, 8192, 32064, 4096, false},
    {"mistral-7b", "mistral", 32, 4096, 32, 8, 128, 14336, 32000, 32768, false},
}};

// A stream of bits for filling memory; no statistics depend on it.
class BitStream {
 public:
  explicit BitStream(std::string_view name) {
    for (const char c : name) state_ = (state_ ^ static_cast<uint8_t>(c)) * 0x100000001B3;
  }
  uint64_t Next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }

 private:
  uint64_t state_ = 0xCBF29CE484222325;
};

// Fills with random signs and mantissas under one exponent, given as bits that every 64-bit word gets.
void FillWords(std::byte* to, size_t bytes, uint64_t keep_random, uint64_t exponents, std::string_view seed) {
  BitStream bits(seed);
  for (size_t at = 0; at + 8 <= bytes; at += 8) {
    const uint64_t word = (bits.Next() & keep_random) | exponents;
    std::memcpy(to + at, &word, 8);
  }
}

uint64_t Repeat16(uint16_t half) { return half * uint64_t{0x0001000100010001}; }

// BF16 of magnitude 2^exponent .. 2^(exponent + 1).
void FillBf16(std::byte* to, size_t bytes, int exponent, std::string_view seed) {
  FillWords(to, bytes, Repeat16(0x807F), Repeat16(static_cast<uint16_t>((exponent + 127) << 7)), seed);
}

// E4M3 of magnitude 1 .. 2: exponent field 7.
void FillE4M3(std::byte* to, size_t bytes, std::string_view seed) {
  FillWords(to, bytes, Repeat16(0x8787), Repeat16(0x3838), seed);
}

// The same in blocks with the scale 2^exponent; `depth` as it is packed.
void FillE4M3Blocks(std::span<std::byte> to, size_t depth, int exponent, std::string_view seed) {
  FillE4M3(to.data(), to.size(), seed);
  const auto scale = std::bit_cast<uint32_t>(std::ldexp(1.0F, exponent));
  for (size_t at = 0; at < to.size();) {
    for (size_t k = 0; k < depth; k += kernels::kFp8Block) {
      at += std::min(kernels::kFp8Block, depth - k) * kernels::kPanelColumns;
      FillWords(to.data() + at, kernels::kFp8ScaleBytes, 0, scale * uint64_t{0x0000000100000001}, seed);
      at += kernels::kFp8ScaleBytes;
    }
  }
}

// E2M1 codes of any size, with the scale 1 for every block.
void FillNvfp4(std::span<std::byte> to, std::string_view seed) {
  FillWords(to.data(), to.size(), ~uint64_t{0}, 0, seed);
  const size_t record = kernels::RecordBytes(kernels::WeightFormat::kNvfp4);
  const size_t codes = kernels::CodeBytes(kernels::WeightFormat::kNvfp4);
  for (size_t at = 0; at < to.size(); at += record)
    FillWords(to.data() + at + codes, record - codes, 0, Repeat16(0x3838), seed);
}

// Codes of INT8 of any size, or of INT4 with the scale 2^exponent for every group.
void FillIntegers(std::span<std::byte> to, kernels::WeightFormat format, int exponent, std::string_view seed) {
  FillWords(to.data(), to.size(), ~uint64_t{0}, 0, seed);
  if (kernels::Int4Group(format) == 0) return;
  const size_t record = kernels::RecordBytes(format), codes = kernels::CodeBytes(format);
  const size_t scales = 2 * kernels::kPanelColumns;
  const uint64_t scale = Repeat16(ToFp16(std::ldexp(1.0F, exponent)).bits), zeros = Repeat16(0x0808);
  for (size_t at = 0; at < to.size(); at += record) {
    FillWords(to.data() + at + codes, scales, 0, scale, seed);
    FillWords(to.data() + at + codes + scales, record - codes - scales, 0, zeros, seed);
  }
}

}  // namespace

std::vector<std::string> ShapeNames() {
  std::vector<std::string> names;
  for (const PublishedShape& shape : kShapes) names.emplace_back(shape.name);
  return names;
}

Result<ModelSpec> ShapeSpec(std::string_view name) {
  const auto shape =
      std::find_if(kShapes.begin(), kShapes.end(), [&](const PublishedShape& s) { return s.name == name; });
  if (shape == kShapes.end()) {
    std::string all;
    for (const std::string& known : ShapeNames()) all += (all.empty() ? "" : ", ") + known;
    return Fail(ErrorCode::kNotFound, "no shape `", name, "`", DidYouMean(std::string(name), ShapeNames()),
                "; there are ", all);
  }
  const Json config = {{"model_type", shape->model_type},
                       {"num_hidden_layers", shape->layers},
                       {"hidden_size", shape->hidden},
                       {"num_attention_heads", shape->heads},
                       {"num_key_value_heads", shape->kv_heads},
                       {"head_dim", shape->head_dim},
                       {"intermediate_size", shape->width},
                       {"vocab_size", shape->vocab},
                       {"tie_word_embeddings", shape->tied},
                       {"max_position_embeddings", shape->context},
                       {"torch_dtype", "bfloat16"}};
  return ReadHfConfig(config, Cat("shape ", name));
}

RandomWeights::RandomWeights(const ModelSpec& spec, kernels::WeightFormat format) : format_(format) {
  for (const WeightSlot& slot : WeightSlots(spec)) {
    if (slot.name.ends_with(".bias")) {
      places_.back().bias = true;  // a bias comes right behind its matrix
    } else if (slot.name.ends_with(".attn.k") || slot.name.ends_with(".attn.v") || slot.name.ends_with(".ffn.up")) {
      places_.back().rows += slot.rows;
    } else {
      const bool is_query = slot.name.ends_with(".attn.q"), is_gate = slot.name.ends_with(".ffn.gate");
      entries_.push_back({.name = slot.name + (is_query ? "kv" : is_gate ? "_up" : ""), .is_matrix = slot.IsMatrix()});
      const bool quantised = slot.quantisable && (slot.sensitivity != Sensitivity::kEmbedding || slot.name == "head");
      places_.push_back({slot.rows, slot.columns, quantised, false});
    }
  }
  for (size_t i = 0; i < places_.size(); ++i) entries_[i].bytes = BytesOf(places_[i], entries_[i].is_matrix);
}

uint64_t RandomWeights::BytesOf(const Place& place, bool is_matrix) const {
  if (!is_matrix) return place.rows * sizeof(float);
  const size_t floats = (kernels::HasColumnScales(FormatOf(place)) ? place.rows : 0) + (place.bias ? place.rows : 0);
  return kernels::PackedBytes(FormatOf(place), place.rows, place.columns) + floats * sizeof(float);
}

Result<RandomWeights::Place> RandomWeights::Find(std::string_view name, bool is_matrix) const {
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].name == name && entries_[i].is_matrix == is_matrix) return places_[i];
  }
  return Fail(ErrorCode::kNotFound, "the shape has no weight `", name, "`");
}

Result<PackedMatrix> RandomWeights::Matrix(std::string_view name) {
  const Place place = OCTET_TRY(Find(name, true));
  const kernels::WeightFormat format = FormatOf(place);
  const size_t bytes = kernels::PackedBytes(format, place.rows, place.columns);
  const bool is_e4m3 = format == kernels::WeightFormat::kE4M3, is_nvfp4 = format == kernels::WeightFormat::kNvfp4;
  const bool is_int8 = format == kernels::WeightFormat::kInt8;
  const size_t scales = kernels::HasColumnScales(format) ? place.rows : 0;
  const size_t biases = place.bias ? place.rows : 0;
  const WeightArena::Piece piece = OCTET_TRY(arena_.Take(bytes + (scales + biases) * sizeof(float)));
  const int exponent = -static_cast<int>(std::bit_width(place.columns) + 1) / 2 - 1;
  auto* floats = reinterpret_cast<float*>(piece.bytes.data() + bytes);
  std::fill_n(floats, scales, std::ldexp(1.0F, is_int8 ? exponent - 7 : is_nvfp4 ? exponent - 1 : exponent));
  if (is_e4m3) {
    FillE4M3(piece.bytes.data(), bytes, name);
  } else if (format == kernels::WeightFormat::kE4M3Block) {
    FillE4M3Blocks(piece.bytes.first(bytes), kernels::PaddedDepth(format, place.columns), exponent, name);
  } else if (is_nvfp4) {
    FillNvfp4(piece.bytes.first(bytes), name);
  } else if (kernels::IsInteger(format)) {
    FillIntegers(piece.bytes.first(bytes), format, exponent - 3, name);
  } else {
    FillBf16(piece.bytes.data(), bytes, exponent, name);
  }
  return PackedMatrix{.format = format,
                      .columns = place.rows,
                      .depth = place.columns,
                      .panels = piece.bytes.first(bytes),
                      .column_scales = {floats, scales},
                      .bias = {floats + scales, biases},
                      .owner = piece.owner};
}

Result<std::vector<float>> RandomWeights::Vector(std::string_view name) {
  const Place place = OCTET_TRY(Find(name, false));
  return std::vector<float>(place.rows, 1.0F);
}

}  // namespace octet
