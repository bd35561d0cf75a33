#include "quantize/precision_map.h"

#include <algorithm>
#include <map>

#include "base/checked.h"
#include "numeric/mx.h"
#include "quantize/e4m3_rows.h"
#include "quantize/glob.h"
#include "quantize/nvfp4_rows.h"

namespace octet {
namespace {

constexpr std::string_view kHeadTensor = "lm_head.weight";
constexpr std::string_view kWeightSuffix = ".weight";

// What the slots say about the tensors that they lie in.
using TensorRoles = std::map<std::string, const WeightSlot*, std::less<>>;

TensorRoles RolesOf(std::span<const WeightSlot> slots) {
  TensorRoles roles;
  for (const WeightSlot& slot : slots) roles.emplace(slot.tensor, &slot);
  return roles;
}

const WeightSlot* FindSlot(std::span<const WeightSlot> slots, std::string_view name) {
  const auto found =
      std::find_if(slots.begin(), slots.end(), [&](const WeightSlot& slot) { return slot.name == name; });
  return found == slots.end() ? nullptr : &*found;
}

// Of embeddings: looked up, and no linear module.
bool IsTable(const WeightSlot& slot) {
  return slot.sensitivity == Sensitivity::kEmbedding || slot.name == "positions" || slot.name == "types" ||
         slot.name == "relative_bias";
}

// A tensor of codes or scales says that someone quantised the checkpoint before.
Status RefuseQuantised(const TensorSource& tensors) {
  for (const TensorInfo& info : tensors.tensors()) {
    const bool is_scale = info.name.find(".weight_scale") != std::string::npos || info.name.ends_with(".qweight") ||
                          info.name.ends_with(".weight_packed");
    const bool is_byte = ByteSize(info.dtype) == 1 && info.dtype != DType::kBool;
    const bool is_code = info.block || (info.name.ends_with(kWeightSuffix) && is_byte);
    if (is_scale || is_code) {
      return Fail(ErrorCode::kInvalidArgument, "the checkpoint is quantised already: tensor `", info.name, "` is ",
                  info.stored_type, "; quantise the original, or give --requantize");
    }
  }
  return {};
}

// Which patterns have matched something, so that none is passed over in silence.
class KeepList {
 public:
  explicit KeepList(std::span<const std::string> patterns) : patterns_(patterns), used_(patterns.size(), false) {}

  // The pattern that keeps the tensor, null where none does. Every pattern that matches counts as used.
  const std::string* Find(std::string_view tensor) {
    const std::string* found = nullptr;
    for (size_t i = 0; i < patterns_.size(); ++i) {
      if (!MatchesGlob(patterns_[i], tensor) && !MatchesGlob(patterns_[i], ModuleOf(tensor))) continue;
      used_[i] = true;
      if (found == nullptr) found = &patterns_[i];
    }
    return found;
  }

  // Both say what the head becomes.
  Status CheckHead(std::optional<Encoding> head) {
    const std::string* pattern = head ? Find(kHeadTensor) : nullptr;
    if (pattern == nullptr) return {};
    return Fail(ErrorCode::kInvalidArgument, "--keep `", *pattern, "` leaves ", kHeadModule, " as it is, --head ",
                Name(*head), " quantises it; leave one of them out, or keep less");
  }

  Status CheckAllUsed(std::string_view example) const {
    for (size_t i = 0; i < patterns_.size(); ++i) {
      if (used_[i]) continue;
      return Fail(ErrorCode::kInvalidArgument, "--keep `", patterns_[i],
                  "` matches nothing that would be quantised; names are like `", example, "`");
    }
    return {};
  }

 private:
  std::span<const std::string> patterns_;
  std::vector<bool> used_;
};

DType KeptDType(DType dtype) { return dtype == DType::kF32 || dtype == DType::kF64 ? DType::kBf16 : dtype; }

std::string_view ReasonToStay(const WeightSlot* slot) {
  if (slot == nullptr) return "not part of the model's layers";
  if (slot->name == "head") return "head";
  if (IsTable(*slot)) return "embedding";
  if (slot->IsMatrix()) return "small, and read by the head";
  return "norm or bias";
}

bool MayQuantise(const WeightSlot* slot, const PrecisionChoices& choices) {
  if (slot == nullptr || !slot->IsMatrix()) return false;
  if (slot->name == "head") return choices.head.has_value();
  return slot->quantisable && slot->sensitivity != Sensitivity::kEmbedding;
}

void Encode(Encoding encoding, const PrecisionChoices& choices, TensorPrecision& tensor) {
  tensor.encoding = encoding;
  tensor.dialect = choices.dialect;
  tensor.takes_e4m3_inputs = encoding == Encoding::kInt4 && choices.takes_e4m3_inputs;
  tensor.takes_int8_inputs = encoding == Encoding::kInt8 && choices.takes_int8_inputs;
  if (encoding == Encoding::kInt4) tensor.group = choices.group;
  if (encoding == Encoding::kMxfp8) tensor.group = kMxBlock;
  if (encoding == Encoding::kNvfp4) tensor.group = kNvfp4BlockColumns;
  tensor.rounds_inputs = HasTensorScale(encoding) && choices.rounds_inputs;
  if (tensor.rounds_inputs) tensor.observer = choices.observer.observer;
  if (encoding == Encoding::kE4M3Blocks) tensor.group = kE4M3BlockSide;
}

// "layers.3.attn.qkv" of each of its parts (models/model_spec.h); another slot's own name.
std::string JoinedName(const std::string& slot) {
  for (const char* joined : {"qkv", "gate_up"}) {
    std::string candidate = slot.substr(0, slot.rfind('.') + 1) + joined;
    const std::vector<std::string> parts = FusedParts(candidate);
    if (std::find(parts.begin(), parts.end(), slot) != parts.end()) return candidate;
  }
  return slot;
}

TensorPrecision Choose(const TensorInfo& info, const WeightSlot* slot, const PrecisionChoices& choices, KeepList& keep,
                       bool keeps_down) {
  TensorPrecision chosen{.name = info.name, .source = info.name, .shape = info.shape, .dtype = KeptDType(info.dtype)};
  if (!MayQuantise(slot, choices)) {
    chosen.reason = ReasonToStay(slot);
  } else if (const std::string* pattern = keep.Find(info.name)) {
    chosen.reason = Cat("--keep ", *pattern);
  } else if (keeps_down && slot->name.ends_with(".ffn.down")) {
    chosen.reason = "an encoder's feed-forward output";
  } else {
    const bool is_head = slot->name == "head";
    chosen.reason = is_head ? Cat("--head ", Name(*choices.head)) : "recipe";
    Encode(is_head ? *choices.head : choices.layers, choices, chosen);
    chosen.joined = JoinedName(slot->name);
    if (const auto own = choices.by_slot.find(chosen.joined); own != choices.by_slot.end()) {
      ChooseEncoding(own->second, choices, chosen);
      chosen.reason = "auto";
    }
  }
  return chosen;
}

// The head of a tied model is a second, quantised copy of its embedding table.
Status AddHead(std::span<const WeightSlot> slots, const TensorSource& tensors, const PrecisionChoices& choices,
               PrecisionMap& map) {
  const WeightSlot* embedding = FindSlot(slots, "embedding");
  OCTET_CHECK(embedding != nullptr);
  const TensorInfo* info = tensors.Find(embedding->tensor);
  if (info == nullptr) return Fail(ErrorCode::kNotFound, "tensor `", embedding->tensor, "` is missing");
  std::erase_if(map.tensors, [](const TensorPrecision& tensor) { return tensor.name == kHeadTensor; });
  TensorPrecision head{.name = std::string(kHeadTensor), .source = info->name, .shape = info->shape};
  head.reason = Cat("--head ", Name(*choices.head));
  Encode(*choices.head, choices, head);
  head.joined = "head";
  map.tensors.push_back(std::move(head));
  map.unties_head = true;
  return {};
}

// A head that stays is named even where it is tied and has no tensor: readers build a linear module for it. So are
// matrices of an encoder's checkpoint that Octet has no use for, such as a pooler or a head over the vocabulary.
std::vector<std::string> IgnoredModules(const PrecisionMap& map, const TensorRoles& roles, bool is_encoder) {
  std::vector<std::string> ignored;
  bool head_quantised = false;
  for (const TensorPrecision& tensor : map.tensors) {
    if (tensor.name == kHeadTensor) head_quantised = tensor.quantised();
    const auto role = roles.find(tensor.name);
    const bool is_linear = role != roles.end() ? role->second->IsMatrix() && !IsTable(*role->second)
                                               : is_encoder && tensor.shape.size() == 2;
    if (is_linear && !tensor.quantised()) ignored.emplace_back(ModuleOf(tensor.name));
  }
  if (!head_quantised && !is_encoder) ignored.emplace_back(ModuleOf(kHeadTensor));
  return ignored;
}

}  // namespace

void ChooseEncoding(const LayerChoice& choice, const PrecisionChoices& choices, TensorPrecision& tensor) {
  tensor.group = 0;
  tensor.rounds_inputs = false;
  tensor.encoding = choice.encoding;
  PrecisionChoices of_choice{.group = choice.group,
                             .rounds_inputs = choices.rounds_inputs,
                             .takes_e4m3_inputs = choices.takes_e4m3_inputs,
                             .dialect = choices.dialect};
  if (choice.encoding) Encode(*choice.encoding, of_choice, tensor);
}

std::string_view ModuleOf(std::string_view tensor) {
  if (tensor.ends_with(kWeightSuffix)) tensor.remove_suffix(kWeightSuffix.size());
  return tensor;
}

uint64_t TensorPrecision::groups() const { return group == 0 ? 1 : CeilDivide(RowSize(shape), group); }

uint64_t TensorPrecision::row_block() const {
  if (encoding == Encoding::kE4M3Blocks) return kE4M3BlockSide;
  return encoding == Encoding::kInt4 && is_modelopt() ? 2 : 1;
}

bool TensorPrecision::is_ragged() const { return group != 0 && RowSize(shape) % group != 0; }

std::string TensorPrecision::precision() const {
  if (!encoding) return std::string(octet::Name(dtype));
  if (*encoding == Encoding::kE4M3) return std::string(octet::Name(DType::kE4M3));
  if (*encoding == Encoding::kE4M3Tensor) return Cat(octet::Name(DType::kE4M3), " static");
  if (*encoding == Encoding::kE4M3Blocks) return Cat(octet::Name(DType::kE4M3), " b", group);
  if (*encoding == Encoding::kMxfp8) return "MXFP8";
  if (*encoding == Encoding::kNvfp4) return "NVFP4";
  return *encoding == Encoding::kInt8 ? "INT8" : Cat("INT4 g", group);
}

uint64_t PrecisionMap::quantised_weights() const {
  uint64_t weights = 0;
  for (const TensorPrecision& tensor : tensors) {
    if (tensor.quantised()) weights += ElementCount(tensor.shape).value_or(0);
  }
  return weights;
}

Result<PrecisionMap> PlanPrecision(std::span<const WeightSlot> slots, const TensorSource& tensors,
                                   const PrecisionChoices& choices) {
  OCTET_TRY(RefuseQuantised(tensors));
  const bool is_encoder = FindSlot(slots, "positions") != nullptr;
  if (is_encoder && choices.head) {
    return Fail(ErrorCode::kInvalidArgument, "--head ", Name(*choices.head),
                ": an encoder has no head over the vocabulary; leave the flag out");
  }
  const TensorRoles roles = RolesOf(slots);
  KeepList keep(choices.keep);
  OCTET_TRY(keep.CheckHead(choices.head));
  const bool keeps_down = is_encoder && choices.keeps_encoder_down && choices.layers == Encoding::kInt8;
  PrecisionMap map;
  for (const TensorInfo& info : tensors.tensors()) {
    const auto role = roles.find(info.name);
    map.tensors.push_back(Choose(info, role == roles.end() ? nullptr : role->second, choices, keep, keeps_down));
  }
  if (choices.head && FindSlot(slots, "head") == nullptr) {
    OCTET_TRY(AddHead(slots, tensors, choices, map));
  }
  const auto example = std::find_if(slots.begin(), slots.end(),
                                    [](const WeightSlot& slot) { return slot.sensitivity == Sensitivity::kLinear; });
  OCTET_TRY(keep.CheckAllUsed(example == slots.end() ? std::string_view("lm_head") : ModuleOf(example->tensor)));
  std::sort(map.tensors.begin(), map.tensors.end(),
            [](const TensorPrecision& a, const TensorPrecision& b) { return a.name < b.name; });
  map.ignored_modules = IgnoredModules(map, roles, is_encoder);
  return map;
}

}  // namespace octet
