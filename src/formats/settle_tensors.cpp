#include "formats/settle_tensors.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "base/log.h"
#include "formats/encoder_names.h"

namespace octet {
namespace {

constexpr std::string_view kPrefix = "model.";
constexpr std::string_view kEmbedding = "model.embed_tokens.weight";
constexpr std::string_view kEmbeddingModule = "model.embed_tokens.";
constexpr std::string_view kHeadModule = "lm_head.";
constexpr std::string_view kHead = "lm_head.weight";
constexpr std::string_view kHeadCodes[] = {"lm_head.weight_packed", "lm_head.qweight"};
constexpr std::string_view kEncoderEmbeddings = "embeddings.";
constexpr const char* kTied = "tie_word_embeddings";

constexpr uint64_t kRowsAtOnce = 64;

using Rename = std::function<std::string(const std::string&)>;

// The tensors of another source under other names.
class RenamedTensors : public TensorSource {
 public:
  // Names must stay unique.
  RenamedTensors(std::shared_ptr<const TensorSource> stored, const Rename& rename) : stored_(std::move(stored)) {
    for (const TensorInfo& info : stored_->tensors()) {
      infos_.push_back(info);
      infos_.back().name = rename(info.name);
      stored_names_.emplace(infos_.back().name, info.name);
    }
    std::sort(infos_.begin(), infos_.end(), [](const TensorInfo& a, const TensorInfo& b) { return a.name < b.name; });
  }

  const std::vector<TensorInfo>& tensors() const override { return infos_; }
  Status ReadRows(std::string_view name, uint64_t first, uint64_t count, float* out) const override {
    return stored_->ReadRows(StoredName(*OCTET_TRY(Require(name))), first, count, out);
  }
  Result<std::span<const std::byte>> Bytes(std::string_view name) const override {
    return stored_->Bytes(StoredName(*OCTET_TRY(Require(name))));
  }
  Status ReadBlocks(std::string_view name, uint64_t first, uint64_t count, std::byte* out) const override {
    return stored_->ReadBlocks(StoredName(*OCTET_TRY(Require(name))), first, count, out);
  }
  void ReleaseRows(std::string_view name, uint64_t first, uint64_t count) const override {
    if (const TensorInfo* info = Find(name)) stored_->ReleaseRows(StoredName(*info), first, count);
  }
  void ExpectRows(std::string_view name, uint64_t first, uint64_t count) const override {
    if (const TensorInfo* info = Find(name)) stored_->ExpectRows(StoredName(*info), first, count);
  }

 private:
  const std::string& StoredName(const TensorInfo& info) const { return stored_names_.at(info.name); }

  std::shared_ptr<const TensorSource> stored_;
  std::vector<TensorInfo> infos_;
  std::map<std::string, std::string> stored_names_;  // by the name shown
};

Result<bool> HoldSameValues(const TensorSource& tensors, const TensorInfo& a, const TensorInfo& b) {
  if (a.shape != b.shape) return false;
  const auto a_bytes = tensors.Bytes(a.name), b_bytes = tensors.Bytes(b.name);
  if (a.dtype == b.dtype && a_bytes && b_bytes)
    return std::equal(a_bytes->begin(), a_bytes->end(), b_bytes->begin(), b_bytes->end());
  const uint64_t rows = RowCount(a.shape), width = RowSize(a.shape);
  if (rows == 0 || width == 0) return true;  // whatever the other number says
  std::vector<float> a_values(std::min(kRowsAtOnce, rows) * width), b_values(a_values.size());
  for (uint64_t row = 0; row < rows; row += kRowsAtOnce) {
    const uint64_t count = std::min(kRowsAtOnce, rows - row);
    OCTET_TRY(tensors.ReadRows(a.name, row, count, a_values.data()));
    OCTET_TRY(tensors.ReadRows(b.name, row, count, b_values.data()));
    const auto end = a_values.begin() + static_cast<std::ptrdiff_t>(count * width);
    if (!std::equal(a_values.begin(), end, b_values.begin())) return false;
  }
  return true;
}

void AddMissingPrefix(Checkpoint& checkpoint) {
  const std::vector<TensorInfo>& infos = checkpoint.tensors->tensors();
  const bool has_prefix =
      std::any_of(infos.begin(), infos.end(), [](const TensorInfo& info) { return info.name.starts_with(kPrefix); });
  if (has_prefix || checkpoint.tensors->Find(kEmbedding.substr(kPrefix.size())) == nullptr) return;
  LogInfo(checkpoint.path, ": the base model alone; its tensors are read as ", kPrefix, "*");
  checkpoint.tensors = std::make_shared<RenamedTensors>(checkpoint.tensors, [](const std::string& name) {
    return name.starts_with("lm_head.") ? name : Cat(kPrefix, name);
  });
}

void WarnOfHead(const Checkpoint& checkpoint, std::string_view head, std::string_view what) {
  LogWarningOnce(checkpoint.path, ": config.json ties the head to the embedding, but ", head, " ", what,
                 "; it is used as the head");
}

// The head serves as the embedding, too, with whatever scales it has.
void TieToHead(Checkpoint& checkpoint, std::string_view head) {
  LogInfo(checkpoint.path, ": has no ", kEmbedding, "; ", head, " serves as both");
  checkpoint.tensors = std::make_shared<RenamedTensors>(checkpoint.tensors, [](const std::string& name) {
    return name.starts_with(kHeadModule) ? Cat(kEmbeddingModule, name.substr(kHeadModule.size())) : name;
  });
  checkpoint.config[kTied] = true;
}

bool HasEmbedding(const TensorSource& tensors) {
  const std::vector<TensorInfo>& infos = tensors.tensors();
  return std::any_of(infos.begin(), infos.end(),
                     [](const TensorInfo& info) { return info.name.starts_with(kEmbeddingModule); });
}

Status SettleHead(Checkpoint& checkpoint) {
  const Json* tied = FindMember(checkpoint.config, kTied);
  if (tied != nullptr && *tied != true) return {};  // the file's word, or a mistake that its reader names
  const TensorInfo* embedding = checkpoint.tensors->Find(kEmbedding);
  const TensorInfo* head = checkpoint.tensors->Find(kHead);
  for (const std::string_view codes : kHeadCodes) {
    if (head != nullptr || checkpoint.tensors->Find(codes) == nullptr) continue;
    if (!HasEmbedding(*checkpoint.tensors)) {
      TieToHead(checkpoint, codes);
      return {};
    }
    if (tied != nullptr) WarnOfHead(checkpoint, codes, "is there");
    checkpoint.config[kTied] = false;
    return {};
  }
  if (head == nullptr) return {};
  if (embedding == nullptr) {
    if (HasEmbedding(*checkpoint.tensors))
      checkpoint.config[kTied] = false;  // in codes, which a head of floats isn't
    else
      TieToHead(checkpoint, kHead);
    return {};
  }
  if (OCTET_TRY(HoldSameValues(*checkpoint.tensors, *embedding, *head))) return {};
  if (tied != nullptr) WarnOfHead(checkpoint, kHead, Cat("differs from ", kEmbedding));
  checkpoint.config[kTied] = false;
  return {};
}

// Files of encoders may have the prefix that the class in config.json hasn't, or lack it, and old ones call the weight
// and the bias of a norm gamma and beta.
void SettleEncoderNames(const EncoderNames& names, Checkpoint& checkpoint) {
  const std::shared_ptr<const TensorSource> stored = checkpoint.tensors;
  const std::string wanted = EncoderPrefix(checkpoint.config);
  const std::string_view prefix = names.prefix;
  const auto has = [&](std::string_view beginning) {
    return std::any_of(stored->tensors().begin(), stored->tensors().end(),
                       [&](const TensorInfo& info) { return info.name.starts_with(beginning); });
  };
  const bool adds = !wanted.empty() && !has(prefix);
  const bool strips = wanted.empty() && has(Cat(prefix, kEncoderEmbeddings)) && !has(kEncoderEmbeddings);
  const auto end_anew = [&](std::string& name, std::string_view old, std::string_view fresh) {
    if (!name.ends_with(old)) return;
    const std::string renamed = Cat(std::string_view(name).substr(0, name.size() - old.size()), fresh);
    if (stored->Find(renamed) == nullptr) name = renamed;
  };
  checkpoint.tensors = std::make_shared<RenamedTensors>(stored, [&](const std::string& name) {
    std::string settled = name;
    end_anew(settled, ".LayerNorm.gamma", ".LayerNorm.weight");
    end_anew(settled, ".LayerNorm.beta", ".LayerNorm.bias");
    if (strips && settled.starts_with(prefix) && stored->Find(settled.substr(prefix.size())) == nullptr)
      settled.erase(0, prefix.size());
    const bool is_base =
        settled.starts_with(kEncoderEmbeddings) || settled.starts_with("encoder.") || settled.starts_with("pooler.");
    return adds && is_base ? Cat(prefix, settled) : settled;
  });
}

}  // namespace

Status SettleTensors(Checkpoint& checkpoint) {
  if (const EncoderNames* names = FindEncoderNames(checkpoint.config)) {
    SettleEncoderNames(*names, checkpoint);
    return {};
  }
  AddMissingPrefix(checkpoint);
  return SettleHead(checkpoint);
}

}  // namespace octet
