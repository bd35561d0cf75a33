// The weights of an Octet pack, as a decoder takes them.
//
//   PackWeights weights(pack, OCTET_TRY(ReadPackIndex(*pack)), LoadMode::kMap, pool);
//   Decoder decoder = OCTET_TRY(Decoder::Load(spec, weights));
//
// kMap: matrices point into the mapped file, which lives as long as any of them; nothing is read before it is used.
// kCopy: each matrix is copied into memory of huge pages by all threads, each the share that it will multiply with, and
// its mapped pages are let go as that goes on.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "engine/model_files.h"
#include "engine/pack/pack_index.h"
#include "models/weights.h"
#include "tensor/weight_arena.h"

namespace octet {

class PackWeights : public WeightProvider {
 public:
  // The pool must outlive the object.
  PackWeights(std::shared_ptr<const OctetPack> pack, std::vector<PackEntry> places, LoadMode mode, ThreadPool& pool);

  const std::vector<Entry>& Entries() const override { return entries_; }
  Result<PackedMatrix> Matrix(std::string_view name) override;
  Result<std::vector<float>> Vector(std::string_view name) override;
  Result<PackedMatrix> Outline(std::string_view name) override;
  // Lets the mapped pages of what it has read go.
  Status ReadPanels(std::string_view name, size_t begin, size_t end, std::byte* to) override;

 private:
  Result<const PackEntry*> Find(std::string_view name, bool is_matrix) const;
  Status CopyIntoMemory(const PackEntry& place, PackedMatrix& matrix);
  void CopyPanels(const PackEntry& place, size_t begin, size_t end, std::byte* to) const;

  std::shared_ptr<const OctetPack> pack_;
  std::vector<PackEntry> places_;
  std::vector<Entry> entries_;  // parallel to places_
  LoadMode mode_;
  ThreadPool& pool_;
  WeightArena arena_;  // of kCopy
};

}  // namespace octet
