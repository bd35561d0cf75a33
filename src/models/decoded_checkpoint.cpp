#include "models/decoded_checkpoint.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "models/kv_scheme.h"
#include "models/weights.h"

namespace octet {
namespace {

constexpr const char* kQuantisation = "quantization_config";
constexpr std::string_view kWeight = ".weight";

// The codes of a tensor that is read as one of floats.
struct Codes {
  std::string tensor;  // as it is called without them: "model.layers.0.mlp.up_proj.weight"
  Shape shape;
  std::string stored;  // the tensor that holds them
};

// Of each tensor once, though it may be several slots.
std::vector<Codes> FindCodes(const CheckpointWeights& weights, const std::vector<WeightSlot>& slots) {
  std::vector<Codes> found;
  std::set<std::string> seen;
  for (const WeightSlot& slot : slots) {
    const std::string stored = weights.CodesOf(slot.tensor);
    if (stored.empty() || !seen.insert(slot.tensor).second) continue;
    found.push_back({slot.tensor, {slot.tensor_rows, slot.columns}, stored});
  }
  return found;
}

// Whether a tensor is of a module's codes, and gone once these are decoded; scales of keys and values, too, which are
// what the numbers of a quantised cache are multiplied with.
bool IsPartOfCodes(const std::string& name, const std::set<std::string>& modules) {
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos || name.substr(dot) == ".bias") return false;
  for (const char* suffix : {".k_scale", ".v_scale", ".q_scale"})
    if (name.ends_with(suffix)) return true;
  return modules.contains(name.substr(0, dot));
}

class DecodedTensors : public TensorSource {
 public:
  DecodedTensors(std::shared_ptr<const TensorSource> stored, const std::vector<Codes>& codes,
                 std::unique_ptr<ThreadPool> pool, std::unique_ptr<const CheckpointWeights> weights)
      : stored_(std::move(stored)), pool_(std::move(pool)), weights_(std::move(weights)) {
    std::set<std::string> modules;
    for (const Codes& one : codes) {
      const TensorInfo& info = *stored_->Find(one.stored);
      infos_.push_back({one.tensor, DType::kF32, one.shape, info.stored_type, info.stored_bytes});
      modules.insert(one.tensor.substr(0, one.tensor.size() - kWeight.size()));
      codes_.emplace(one.tensor, one.stored);
    }
    for (const TensorInfo& info : stored_->tensors())
      if (!IsPartOfCodes(info.name, modules)) infos_.push_back(info);
    std::sort(infos_.begin(), infos_.end(), [](const TensorInfo& a, const TensorInfo& b) { return a.name < b.name; });
  }

  const std::vector<TensorInfo>& tensors() const override { return infos_; }

  Status ReadRows(std::string_view name, uint64_t first, uint64_t count, float* out) const override {
    OCTET_TRY(RequireRows(name, first, count));
    if (!codes_.contains(name)) return stored_->ReadRows(name, first, count, out);
    return weights_->ReadWeights(name, first, count, out);
  }
  Result<std::span<const std::byte>> Bytes(std::string_view name) const override {
    OCTET_TRY(Require(name));
    if (!codes_.contains(name)) return stored_->Bytes(name);
    return Fail(ErrorCode::kUnsupported, "tensor `", name, "` is stored as codes; read its rows instead");
  }
  // Codes needn't lie row by row: all of them go, or none.
  void ReleaseRows(std::string_view name, uint64_t first, uint64_t count) const override {
    const auto codes = codes_.find(name);
    if (codes == codes_.end()) return stored_->ReleaseRows(name, first, count);
    if (first == 0) stored_->Release(codes->second);
  }
  void ExpectRows(std::string_view name, uint64_t first, uint64_t count) const override {
    if (!codes_.contains(name)) stored_->ExpectRows(name, first, count);
  }

 private:
  std::shared_ptr<const TensorSource> stored_;
  std::unique_ptr<ThreadPool> pool_;  // which the weights refer to
  std::unique_ptr<const CheckpointWeights> weights_;
  std::vector<TensorInfo> infos_;
  std::map<std::string, std::string, std::less<>> codes_;  // the tensor that holds them, by the name shown
};

// "compressed-tensors", or "GGUF Q4_0, Q6_K".
std::string NameOf(const Checkpoint& checkpoint, const std::vector<Codes>& codes) {
  const Json* config = FindMember(checkpoint.config, kQuantisation);
  const Json* method = config != nullptr && config->is_object() ? FindMember(*config, "quant_method") : nullptr;
  if (method != nullptr && method->is_string()) return method->get<std::string>();
  if (codes.empty()) return kQuantisation;
  std::set<std::string> types;
  for (const Codes& one : codes) types.insert(checkpoint.tensors->Find(one.stored)->stored_type);
  std::string text;
  for (const std::string& type : types) text += Cat(text.empty() ? "" : ", ", type);
  return checkpoint.gguf ? "GGUF " + text : text;
}

}  // namespace

Result<std::optional<DecodedCheckpoint>> DecodeCheckpoint(const Checkpoint& checkpoint, const ModelSpec& spec) {
  auto pool = std::make_unique<ThreadPool>(1);  // of the calling thread alone; nothing is packed
  auto weights = std::make_unique<CheckpointWeights>(
      OCTET_TRY(CheckpointWeights::Open(checkpoint, spec, ComputeType::kAuto, *pool)));
  const std::vector<Codes> codes = FindCodes(*weights, WeightSlots(spec));
  if (codes.empty() && !checkpoint.config.contains(kQuantisation)) return std::optional<DecodedCheckpoint>();
  DecodedCheckpoint decoded{checkpoint, NameOf(checkpoint, codes), codes.size()};
  decoded.checkpoint.config.erase(kQuantisation);
  decoded.checkpoint.config.erase(kKvLayersKey);  // of the cache that the codes' own configuration asked for
  decoded.checkpoint.tensors =
      std::make_shared<DecodedTensors>(checkpoint.tensors, codes, std::move(pool), std::move(weights));
  return std::optional(std::move(decoded));
}

}  // namespace octet
