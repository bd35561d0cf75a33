#include "formats/peft_adapter.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string_view>

#include "base/json.h"
#include "base/mapped_file.h"
#include "formats/safetensors.h"

namespace octet {
namespace {

constexpr size_t kMostConfigBytes = size_t{1} << 20;
constexpr int64_t kMostRank = 65536;
constexpr std::string_view kModulePrefix = "base_model.model.";
constexpr std::string_view kFactorA = ".lora_A.weight", kFactorB = ".lora_B.weight";

struct Scaling {
  size_t rank = 0;  // of all matrices but those that a pattern names; 0: each has its own
  double alpha = 0;
  bool by_root = false;

  // Fails where the quotient is no finite number.
  Result<float> Of(size_t matrix_rank, std::string_view where) const {
    const auto divisor = static_cast<double>(matrix_rank);
    const auto scale = static_cast<float>(alpha / (by_root ? std::sqrt(divisor) : divisor));
    if (std::isfinite(scale)) return scale;
    return Fail(ErrorCode::kCorrupt, where, ": `lora_alpha` is ", alpha, ", which makes no finite factor");
  }
};

// Whether a field says nothing: absent, null, false, empty.
bool SaysNothing(const Json* field) {
  return field == nullptr || (field->is_boolean() && !field->get<bool>()) ||
         ((field->is_object() || field->is_array()) && field->empty());
}

Status RefuseOtherMethods(const Json& config, std::string_view where) {
  for (const char* key :
       {"use_dora", "modules_to_save", "alpha_pattern", "fan_in_fan_out", "lora_bias", "megatron_config",
        "trainable_token_indices", "layer_replication", "target_parameters", "use_qalora", "alora_invocation_tokens"}) {
    if (SaysNothing(FindMember(config, key))) continue;
    return Fail(ErrorCode::kUnsupported, where, ": sets `", key,
                "`, which isn't supported; merge the adapter into its base with PEFT instead");
  }
  const Json* bias = FindMember(config, "bias");
  if (bias == nullptr || *bias == "none") return {};
  return Fail(ErrorCode::kUnsupported, where, ": `bias` is ", bias->dump(), ", only \"none\" is supported");
}

Result<Scaling> ReadScaling(const std::filesystem::path& path) {
  const std::string text = OCTET_TRY(ReadTextFile(path, kMostConfigBytes));
  const Json config = OCTET_TRY(ParseJson(text, path.native()));
  const std::string& where = path.native();
  if (!config.is_object())
    return Fail(ErrorCode::kCorrupt, where, ": is ", config.type_name(), ", an object is expected");
  const std::string type = OCTET_TRY(GetString(config, "peft_type", where));
  if (type != "LORA")
    return Fail(ErrorCode::kUnsupported, where, ": peft_type is `", type, "`, only `LORA` is supported");
  OCTET_TRY(RefuseOtherMethods(config, where));
  const int64_t rank = OCTET_TRY(GetInteger(config, "r", where));
  const double alpha = OCTET_TRY(GetNumber(config, "lora_alpha", where));
  if (rank < 1 || rank > kMostRank)
    return Fail(ErrorCode::kCorrupt, where, ": `r` is ", rank, ", 1 .. ", kMostRank, " is expected");
  const bool by_root = FindMember(config, "use_rslora") != nullptr && OCTET_TRY(GetBool(config, "use_rslora", where));
  const bool is_patterned = !SaysNothing(FindMember(config, "rank_pattern"));
  return Scaling{is_patterned ? 0 : static_cast<size_t>(rank), alpha, by_root};
}

Result<std::vector<float>> ReadFactor(const TensorSource& source, const TensorInfo& info, std::string_view where) {
  if (info.dtype != DType::kF32 && info.dtype != DType::kF16 && info.dtype != DType::kBf16)
    return Fail(ErrorCode::kUnsupported, where, ": tensor `", info.name, "` is of ", Name(info.dtype),
                ", F32, F16 or BF16 is expected");
  std::vector<float> values(info.shape[0] * info.shape[1]);
  OCTET_TRY(source.ReadRows(info.name, 0, info.shape[0], values.data()));
  if (std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); })) return values;
  return Fail(ErrorCode::kCorrupt, where, ": tensor `", info.name, "` has a value that isn't finite");
}

// The matrix whose factor A is `a`.
Result<PeftMatrix> ReadMatrix(const TensorSource& source, const TensorInfo& a, Scaling scaling,
                              std::string_view where) {
  const std::string module = a.name.substr(0, a.name.size() - kFactorA.size());
  const TensorInfo* b = source.Find(Cat(module, kFactorB));
  if (b == nullptr) return Fail(ErrorCode::kCorrupt, where, ": has `", a.name, "` but no `", module, kFactorB, "`");
  const bool fits = a.shape.size() == 2 && b->shape.size() == 2 && a.shape[0] == b->shape[1] && a.shape[0] > 0 &&
                    (scaling.rank == 0 || a.shape[0] == scaling.rank);
  if (!fits) {
    return Fail(ErrorCode::kCorrupt, where, ": `", module, "` has lora_A ", ToText(a.shape), " and lora_B ",
                ToText(b->shape), ", [r, in] and [out, r] are expected",
                scaling.rank == 0 ? std::string() : Cat(" with r = ", scaling.rank, " as adapter_config.json says"));
  }
  PeftMatrix matrix;
  matrix.weight = Cat(module.substr(kModulePrefix.size()), ".weight");
  matrix.rank = a.shape[0], matrix.in = a.shape[1], matrix.out = b->shape[0];
  matrix.scale = OCTET_TRY(scaling.Of(matrix.rank, where));
  matrix.a = OCTET_TRY(ReadFactor(source, a, where));
  matrix.b = OCTET_TRY(ReadFactor(source, *b, where));
  return matrix;
}

// Every tensor must be a factor with a partner: one that is left out would change answers silently.
Status CheckName(const TensorSource& source, const std::string& name, std::string_view where) {
  if (name.starts_with(kModulePrefix) && name.ends_with(kFactorA)) return {};
  if (!name.starts_with(kModulePrefix) || !name.ends_with(kFactorB))
    return Fail(ErrorCode::kUnsupported, where, ": tensor `", name, "` is no ", kModulePrefix, "*", kFactorA, " or *",
                kFactorB);
  const std::string partner = Cat(name.substr(0, name.size() - kFactorB.size()), kFactorA);
  if (source.Find(partner) != nullptr) return {};
  return Fail(ErrorCode::kCorrupt, where, ": has `", name, "` but no `", partner, "`");
}

}  // namespace

Result<PeftAdapter> ReadPeftAdapter(const std::filesystem::path& directory) {
  const Scaling scaling = OCTET_TRY(ReadScaling(directory / "adapter_config.json"));
  const std::filesystem::path file = directory / "adapter_model.safetensors";
  const std::shared_ptr<const TensorSource> source = OCTET_TRY(OpenSafetensors(file));
  PeftAdapter adapter;
  adapter.path = directory;
  for (const TensorInfo& info : source->tensors()) {
    OCTET_TRY(CheckName(*source, info.name, file.native()));
    if (!info.name.ends_with(kFactorA)) continue;
    adapter.matrices.push_back(OCTET_TRY(ReadMatrix(*source, info, scaling, file.native())));
  }
  if (adapter.matrices.empty()) return Fail(ErrorCode::kCorrupt, file.native(), ": holds no tensors of an adapter");
  return adapter;
}

}  // namespace octet
