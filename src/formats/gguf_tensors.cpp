#include "formats/gguf_tensors.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "base/counted.h"

namespace octet {
namespace {

// A tensor by its Hugging Face name, and how its rows come from the file's.
struct Mapped {
  TensorInfo info;
  const GgufTensor* tensor = nullptr;
  uint64_t first_row = 0;  // where a part of a fused tensor begins; in units
  uint64_t head_rows = 0;  // units per head where they were interleaved, else 0
  bool minus_one = false;  // 1 was added to every value

  // What is moved or decoded at once: a row of a matrix, an element of a vector, a whole vector of blocks.
  bool ByElement() const { return info.shape.size() == 1 && !tensor->block; }
  uint64_t UnitValues() const { return ByElement() ? 1 : RowSize(info.shape); }
  uint64_t UnitBytes() const {
    if (ByElement()) return ByteSize(tensor->dtype);
    return tensor->bytes / std::max<uint64_t>(RowCount(tensor->shape), 1);
  }

  // Bytes stand in the file as the tensor has them.
  bool IsPlain() const { return !tensor->block && head_rows == 0 && !minus_one; }

  // The file's row for row `row`: conversion moved row j of a head's first half to 2j and of its second half to 2j + 1.
  uint64_t FileRow(uint64_t row) const {
    if (head_rows == 0) return first_row + row;
    const uint64_t half = head_rows / 2, within = row % head_rows;
    return first_row + row - within + within % half * 2 + within / half;
  }
};

void DecodeRow(const GgufTensor& tensor, const std::byte* bytes, uint64_t values, float* out) {
  if (!tensor.block) return DecodeElements(tensor.dtype, bytes, values, out);
  const GgmlBlockInfo info = InfoOf(*tensor.block);
  for (uint64_t done = 0; done < values; done += info.values, bytes += info.bytes)
    DecodeGgmlBlock(*tensor.block, bytes, out + done);
}

class GgufTensorSource : public TensorSource {
 public:
  // `mapped` is sorted by name.
  GgufTensorSource(std::shared_ptr<const GgufFile> file, std::vector<Mapped> mapped)
      : file_(std::move(file)), mapped_(std::move(mapped)) {
    for (const Mapped& one : mapped_) tensors_.push_back(one.info);
  }

  const std::vector<TensorInfo>& tensors() const override { return tensors_; }

  Status ReadRows(std::string_view name, uint64_t first, uint64_t count, float* out) const override {
    const TensorInfo* info = OCTET_TRY(RequireRows(name, first, count));
    const Mapped& mapped = MappedOf(*info);
    const uint64_t values = mapped.UnitValues(), bytes = mapped.UnitBytes();
    const uint64_t units_per_row = mapped.ByElement() ? info->shape[0] : 1;
    const std::byte* data = file_->Bytes(*mapped.tensor).data();
    for (uint64_t unit = 0; unit < count * units_per_row; ++unit) {
      const uint64_t from = mapped.FileRow(first * units_per_row + unit);
      DecodeRow(*mapped.tensor, data + from * bytes, values, out + unit * values);
    }
    if (mapped.minus_one) std::for_each(out, out + count * RowSize(info->shape), [](float& value) { value -= 1; });
    return {};
  }

  Status ReadBlocks(std::string_view name, uint64_t first, uint64_t count, std::byte* out) const override {
    const TensorInfo* info = OCTET_TRY(RequireRows(name, first, count));
    if (!info->block) return TensorSource::ReadBlocks(name, first, count, out);
    const Mapped& mapped = MappedOf(*info);
    const std::span<const std::byte> data = file_->Bytes(*mapped.tensor);
    const uint64_t bytes = mapped.UnitBytes();
    for (uint64_t row = 0; row < count; ++row)
      std::copy_n(data.data() + mapped.FileRow(first + row) * bytes, bytes, out + row * bytes);
    return {};
  }

  Result<std::span<const std::byte>> Bytes(std::string_view name) const override {
    const TensorInfo* info = OCTET_TRY(Require(name));
    const Mapped& mapped = MappedOf(*info);
    if (!mapped.IsPlain()) {
      return Fail(ErrorCode::kUnsupported, file_->path(), ": tensor `", name, "` is stored as ", info->stored_type,
                  mapped.tensor->block ? "" : ", changed by conversion", "; read its rows instead");
    }
    return file_->Bytes(*mapped.tensor).subspan(mapped.first_row * mapped.UnitBytes(), info->stored_bytes);
  }

  void ReleaseRows(std::string_view name, uint64_t first, uint64_t count) const override {
    if (const TensorInfo* info = Find(name)) {
      const auto [offset, bytes] = RangeOf(MappedOf(*info), first, count);
      file_->mapped().Release(offset, bytes);
    }
  }

  void ExpectRows(std::string_view name, uint64_t first, uint64_t count) const override {
    if (const TensorInfo* info = Find(name)) {
      const auto [offset, bytes] = RangeOf(MappedOf(*info), first, count);
      file_->mapped().Expect(offset, bytes);
    }
  }

 private:
  // Where those of the rows that there are lie in the file, offset and bytes; whole heads where these were interleaved.
  static std::pair<uint64_t, uint64_t> RangeOf(const Mapped& mapped, uint64_t first, uint64_t count) {
    const uint64_t rows = RowCount(mapped.info.shape), units_per_row = mapped.ByElement() ? mapped.info.shape[0] : 1;
    const uint64_t head = std::max<uint64_t>(mapped.head_rows, 1), bytes = mapped.UnitBytes();
    const uint64_t begin_row = std::min(first, rows), end_row = begin_row + std::min(count, rows - begin_row);
    const uint64_t begin = begin_row * units_per_row / head * head;
    const uint64_t end = (end_row * units_per_row + head - 1) / head * head;
    return {mapped.tensor->offset + (mapped.first_row + begin) * bytes, (end - begin) * bytes};
  }

  const Mapped& MappedOf(const TensorInfo& info) const { return mapped_[static_cast<size_t>(&info - tensors_.data())]; }

  std::shared_ptr<const GgufFile> file_;
  std::vector<Mapped> mapped_;
  std::vector<TensorInfo> tensors_;
};

// Names inside a block of layers, without `.weight` or `.bias`.
constexpr std::pair<std::string_view, std::string_view> kLayerNames[] = {
    {"attn_norm", "input_layernorm"},
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"},
    {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"},
    {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
    {"ffn_norm", "post_attention_layernorm"},
    {"attn_qkv", "self_attn.qkv_proj"},
};
constexpr std::pair<std::string_view, std::string_view> kFourNormNames[] = {
    {"post_attention_norm", "post_attention_layernorm"},
    {"ffn_norm", "pre_feedforward_layernorm"},
    {"post_ffw_norm", "post_feedforward_layernorm"},
};
constexpr std::pair<std::string_view, std::string_view> kModelNames[] = {
    {"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}};
// Rope factors, which the configuration has taken up, and a table of angles that old converters wrote.
constexpr std::string_view kNotWeights[] = {"rope_freqs", "rope_factors_long", "rope_factors_short", "attn_rot_embd"};

template <size_t kCount>
std::optional<std::string_view> Lookup(const std::pair<std::string_view, std::string_view> (&table)[kCount],
                                       std::string_view name) {
  for (const auto& [from, to] : table) {
    if (from == name) return to;
  }
  return std::nullopt;
}

// "blk.12.attn_q.weight" in its parts.
struct NameParts {
  std::optional<uint64_t> layer;
  std::string_view name;    // "attn_q"
  std::string_view suffix;  // ".weight"
};

std::optional<NameParts> SplitName(std::string_view full) {
  NameParts parts;
  if (full.starts_with("blk.")) {
    full.remove_prefix(4);
    uint64_t layer = 0;
    const auto [end, error] = std::from_chars(full.data(), full.data() + full.size(), layer);
    if (error != std::errc() || end == full.data() + full.size() || *end != '.') return std::nullopt;
    parts.layer = layer;
    full.remove_prefix(static_cast<size_t>(end - full.data()) + 1);
  }
  const size_t dot = full.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  parts.name = full.substr(0, dot);
  parts.suffix = full.substr(dot);
  if (parts.suffix != ".weight" && parts.suffix != ".bias") return std::nullopt;
  return parts;
}

class Mapper {
 public:
  Mapper(const GgufFile& file, const GgufArchitecture& architecture, const Json& config)
      : file_(file),
        architecture_(architecture),
        heads_(config["num_attention_heads"].get<uint64_t>()),
        key_heads_(config["num_key_value_heads"].get<uint64_t>()),
        head_dim_(config["head_dim"].get<uint64_t>()),
        layers_(config["num_hidden_layers"].get<uint64_t>()) {}

  Result<std::vector<Mapped>> MapAll() {
    for (const GgufTensor& tensor : file_.tensors()) OCTET_TRY(Map(tensor));
    std::sort(mapped_.begin(), mapped_.end(),
              [](const Mapped& a, const Mapped& b) { return a.info.name < b.info.name; });
    const auto twice = std::adjacent_find(mapped_.begin(), mapped_.end(),
                                          [](const Mapped& a, const Mapped& b) { return a.info.name == b.info.name; });
    if (twice == mapped_.end()) return std::move(mapped_);
    return Fail(ErrorCode::kCorrupt, file_.path(), ": two tensors are `", twice->info.name, "`, one of them `",
                twice->tensor->name, "`");
  }

 private:
  Status Map(const GgufTensor& tensor) {
    const std::optional<NameParts> parts = SplitName(tensor.name);
    if (parts && std::find(std::begin(kNotWeights), std::end(kNotWeights), parts->name) != std::end(kNotWeights))
      return {};
    const std::optional<std::string_view> name = parts ? HuggingFaceName(*parts) : std::nullopt;
    if (!name || (parts->layer && *parts->layer >= layers_)) {
      return Fail(ErrorCode::kUnsupported, file_.path(), ": tensor `", tensor.name,
                  "` has no place in a model of architecture `", architecture_.name, "` with ",
                  Counted(layers_, "layer"));
    }
    const std::string prefix = parts->layer ? Cat("model.layers.", *parts->layer, ".") : "";
    if (parts->name == "attn_qkv" && !architecture_.fused) return AddParts(tensor, prefix, parts->suffix);
    Mapped& mapped = Add(tensor, Cat(prefix, *name, parts->suffix));
    mapped.minus_one = architecture_.norms_plus_one && name->ends_with("norm") && parts->suffix == ".weight";
    const bool rotated = parts->name == "attn_q" || parts->name == "attn_k";
    return architecture_.interleaved_rope && rotated ? Interleave(mapped, parts->name == "attn_q" ? heads_ : key_heads_)
                                                     : Status();
  }

  std::optional<std::string_view> HuggingFaceName(const NameParts& parts) const {
    if (!parts.layer) return Lookup(kModelNames, parts.name);
    if (architecture_.four_norms) {
      if (const auto name = Lookup(kFourNormNames, parts.name)) return name;
    }
    if (architecture_.fused && parts.name == "ffn_up") return "mlp.gate_up_proj";
    return Lookup(kLayerNames, parts.name);
  }

  Mapped& Add(const GgufTensor& tensor, std::string name) {
    Mapped mapped;
    mapped.info = {std::move(name), tensor.block ? DType::kF32 : tensor.dtype,
                   tensor.shape,    std::string(tensor.type),
                   tensor.bytes,    tensor.shape.size() == 2 ? tensor.block : std::nullopt};
    mapped.tensor = &tensor;
    mapped_.push_back(std::move(mapped));
    return mapped_.back();
  }

  // The rows of a weight, or the elements of a bias, are a head's in groups of head_dim.
  Status Interleave(Mapped& mapped, uint64_t heads) const {
    const uint64_t rows = mapped.info.shape[0];
    const bool vector_of_blocks = mapped.info.shape.size() == 1 && mapped.tensor->block;
    if (rows != heads * head_dim_ || head_dim_ % 2 != 0 || vector_of_blocks) {
      return Fail(ErrorCode::kCorrupt, file_.path(), ": tensor `", mapped.tensor->name, "` is ",
                  ToText(mapped.info.shape), " of ", mapped.info.stored_type, ", ", Counted(heads, "head"), " of ",
                  head_dim_, " are expected");
    }
    mapped.head_rows = head_dim_;
    return {};
  }

  // q, k and v that a converter joined, taken apart again.
  Status AddParts(const GgufTensor& tensor, const std::string& prefix, std::string_view suffix) {
    const uint64_t rows = tensor.shape[0], expected = (heads_ + 2 * key_heads_) * head_dim_;
    if (rows != expected || (tensor.shape.size() == 1 && tensor.block)) {
      return Fail(ErrorCode::kCorrupt, file_.path(), ": tensor `", tensor.name, "` is ", ToText(tensor.shape), ", ",
                  expected, " rows are expected");
    }
    uint64_t first = 0;
    const std::pair<const char*, uint64_t> kinds[] = {{"q", heads_}, {"k", key_heads_}, {"v", key_heads_}};
    for (const auto& [kind, heads] : kinds) {
      Mapped& mapped = Add(tensor, Cat(prefix, "self_attn.", kind, "_proj", suffix));
      mapped.first_row = first;
      mapped.info.shape[0] = heads * head_dim_;
      mapped.info.stored_bytes = tensor.bytes / rows * mapped.info.shape[0];
      first += mapped.info.shape[0];
      if (architecture_.interleaved_rope && *kind != 'v') OCTET_TRY(Interleave(mapped, heads));
    }
    return {};
  }

  const GgufFile& file_;
  const GgufArchitecture& architecture_;
  uint64_t heads_;
  uint64_t key_heads_;
  uint64_t head_dim_;
  uint64_t layers_;
  std::vector<Mapped> mapped_;
};

}  // namespace

Result<std::shared_ptr<const TensorSource>> MakeGgufTensorSource(std::shared_ptr<const GgufFile> file,
                                                                 const GgufArchitecture* architecture,
                                                                 const Json& config) {
  std::vector<Mapped> mapped;
  if (architecture != nullptr && !file->tensors().empty())
    mapped = OCTET_TRY(Mapper(*file, *architecture, config).MapAll());
  return std::make_shared<GgufTensorSource>(std::move(file), std::move(mapped));
}

}  // namespace octet
