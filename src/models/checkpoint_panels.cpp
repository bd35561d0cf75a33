// Packing of a checkpoint's rows into panels; the class is in models/weights.h.
#include <algorithm>
#include <mutex>
#include <utility>

#include "base/checked.h"
#include "kernels/kernel_table.h"
#include "models/weights.h"

namespace octet {
namespace {

using kernels::WeightFormat;

constexpr size_t kFloatsInFlight = size_t{1} << 18;  // a thread's rows on their way into panels: 1 MB
constexpr size_t kGroupsKept = 16;                   // so many of them are read before their pages are let go

// The first error of several threads.
class SharedStatus {
 public:
  void Set(Error error) {
    const std::lock_guard lock(mutex_);
    if (status_) status_ = tl::unexpected<Error>(std::move(error));
  }
  Status Take() { return std::move(status_); }

 private:
  std::mutex mutex_;
  Status status_;
};

}  // namespace

// Rows from first_row on of a tensor in E4M3: one code that isn't a number would spoil every token.
Status CheckpointWeights::RefuseNan(std::span<const std::byte> rows, size_t first_row, size_t columns,
                                    const std::string& tensor) const {
  const auto is_nan = [](std::byte code) { return (code & std::byte{0x7F}) == std::byte{0x7F}; };
  const auto found = std::find_if(rows.begin(), rows.end(), is_nan);
  if (found == rows.end()) return {};
  const auto at = static_cast<size_t>(found - rows.begin());
  return Fail(ErrorCode::kCorrupt, path_, ": tensor ", tensor, " holds NaN in row ", first_row + at / columns,
              ", column ", at % columns, "; the file is damaged or was quantised from such weights");
}

std::vector<CheckpointWeights::Piece> CheckpointWeights::PiecesOf(const Source& source, size_t first, size_t count) {
  std::vector<Piece> pieces;
  size_t part_begin = 0;
  for (const Part& part : source.parts) {
    const size_t begin = std::max(first, part_begin), end = std::min(first + count, part_begin + part.slot.rows);
    if (begin < end) pieces.push_back({part, part.slot.first_row + begin - part_begin, end - begin, begin - first});
    part_begin += part.slot.rows;
  }
  return pieces;
}

void CheckpointWeights::ReleasePanels(const Source& source, size_t begin, size_t end) const {
  for (const Piece& piece : PiecesOf(source, begin * kernels::kPanelColumns, (end - begin) * kernels::kPanelColumns))
    if (piece.part.is_stored_by_rows()) tensors_->ReleaseRows(piece.part.codes(), piece.row, piece.rows);
}

Status CheckpointWeights::ReadPanels(std::string_view name, size_t begin, size_t end, std::byte* to) {
  const Source* source = OCTET_TRY(FindSource(name, /*is_matrix=*/true));
  const PackedMatrix matrix = Describe(*source);
  const size_t group = std::max<size_t>(1, kFloatsInFlight / (kernels::kPanelColumns * matrix.depth));
  const size_t panel_bytes = kernels::PanelBytes(matrix.format, matrix.depth);
  // What the caller is likely to ask for next comes from the disk meanwhile.
  for (const Piece& piece : PiecesOf(*source, (begin == 0 ? begin : end) * kernels::kPanelColumns,
                                     (begin == 0 ? 2 : 1) * (end - begin) * kernels::kPanelColumns))
    if (piece.part.is_stored_by_rows()) tensors_->ExpectRows(piece.part.codes(), piece.row, piece.rows);
  SharedStatus status;
  pool_->ForEachShare(end - begin, [&](size_t share_begin, size_t share_end) {
    std::vector<float> scratch;
    size_t released = begin + share_begin;
    for (size_t panel = released; panel < begin + share_end; panel += group) {
      const size_t behind = std::min(panel + group, begin + share_end), first = panel * kernels::kPanelColumns;
      const size_t count = std::min(behind * kernels::kPanelColumns, matrix.columns) - first;
      if (Status done = PackColumns(*source, matrix, first, count, scratch, to + (panel - begin) * panel_bytes); !done)
        status.Set(std::move(done).error());
      if (behind < begin + share_end && behind - released < kGroupsKept * group) continue;
      ReleasePanels(*source, released, behind);
      released = behind;
    }
  });
  if (end == kernels::Panels(matrix.columns)) ReleaseWhole(*source);
  return status.Take();
}

// Pages that reads around the rows brought back, and those of the scales.
void CheckpointWeights::ReleaseWhole(const Source& source) const {
  for (const Part& part : source.parts) {
    for (const std::string& tensor : part.tensors()) tensors_->Release(tensor);
  }
}

Status CheckpointWeights::PackColumns(const Source& source, const PackedMatrix& matrix, size_t first, size_t count,
                                      std::vector<float>& scratch, std::byte* packed) const {
  if (const bool is_nvfp4 = matrix.format == WeightFormat::kNvfp4; is_nvfp4 || kernels::IsInteger(matrix.format)) {
    Status done = is_nvfp4 ? PackNvfp4Columns(source, matrix, first, count, packed)
                           : PackIntegerColumns(source, matrix, first, count, packed);
    if (!done) return Prefixed(std::move(done).error(), path_ + ": ");
    return {};
  }
  const bool in_blocks = matrix.format == WeightFormat::kE4M3Block;
  const bool is_codes = matrix.format == WeightFormat::kE4M3 || in_blocks;
  scratch.resize(is_codes ? (count * matrix.depth + 3) / 4 : count * matrix.depth);
  auto* codes = reinterpret_cast<std::byte*>(scratch.data());
  if (is_codes)
    OCTET_TRY(CopyCodes(source, first, count, codes));
  else
    OCTET_TRY(ReadFloats(source, first, count, scratch));
  if (matrix.format == WeightFormat::kF32) {
    kernels::PackWeightsF32(scratch.data(), count, matrix.depth, packed);
  } else if (in_blocks) {
    kernels::PackWeightsE4M3Block(reinterpret_cast<const uint8_t*>(codes), BlockScalesOf(source, first, count).data(),
                                  count, matrix.depth, packed);
  } else if (is_codes) {
    kernels::PackWeightsE4M3(reinterpret_cast<const uint8_t*>(codes), count, matrix.depth, packed);
  } else {
    kernels::PackWeightsBf16(scratch.data(), count, matrix.depth, packed);
  }
  return {};
}

Status CheckpointWeights::CopyCodes(const Source& source, size_t first, size_t count, std::byte* to) const {
  const size_t depth = source.parts.front().slot.columns;
  for (const auto& [part, row, rows, at] : PiecesOf(source, first, count)) {
    const std::span<const std::byte> bytes = OCTET_TRY(tensors_->Bytes(part.slot.tensor));
    const std::span<const std::byte> found = bytes.subspan(row * depth, rows * depth);
    OCTET_TRY(RefuseNan(found, row, depth, part.slot.tensor));
    std::copy(found.begin(), found.end(), to + at * depth);
  }
  return {};
}

Status CheckpointWeights::ReadFloats(const Source& source, size_t first, size_t count, std::span<float> to) const {
  for (const auto& [part, row, rows, at] : PiecesOf(source, first, count)) {
    Status read = part.ReadRows(*tensors_, row, rows, to.data() + at * part.slot.columns);
    if (!read && !part.DecodedFormat().empty()) return Prefixed(std::move(read).error(), path_ + ": ");
    OCTET_TRY(std::move(read));
  }
  return {};
}

std::vector<float> CheckpointWeights::BlockScalesOf(const Source& source, size_t first, size_t count) {
  std::vector<float> scales;
  for (const Piece& piece : PiecesOf(source, first, count)) {
    const std::vector<float> of_part = piece.part.blocks->OfRows(piece.row, piece.rows);
    scales.insert(scales.end(), of_part.begin(), of_part.end());
  }
  return scales;
}

Status CheckpointWeights::PackIntegerColumns(const Source& source, const PackedMatrix& matrix, size_t first,
                                             size_t count, std::byte* packed) const {
  std::vector<int8_t> codes(count * matrix.depth);
  std::vector<Fp16> scales;
  std::vector<uint8_t> zeros;
  for (const auto& [part, row, rows, at] : PiecesOf(source, first, count)) {
    OCTET_TRY(part.integers->ReadCodes(*tensors_, row, rows,
                                       std::span(codes).subspan(at * matrix.depth, rows * matrix.depth)));
    OCTET_TRY(AppendGroups(part, row, rows, scales, zeros));
  }
  if (matrix.format == WeightFormat::kInt8) {
    kernels::PackWeightsInt8(codes.data(), count, matrix.depth, packed);
  } else if (kernels::HasZeros(matrix.format)) {
    std::vector<uint8_t> stored(codes.size());
    std::transform(codes.begin(), codes.end(), stored.begin(),
                   [](int8_t code) { return static_cast<uint8_t>(code + 8); });
    kernels::PackWeightsInt4Zeros({matrix.format, stored.data(), scales.data(), zeros.data()}, count, matrix.depth,
                                  packed);
  } else {
    kernels::PackWeightsInt4(matrix.format, codes.data(), scales.data(), count, matrix.depth, packed);
  }
  return {};
}

// Scales and zero points of the groups of a part's rows, as the kernels take them; INT8 has none.
Status CheckpointWeights::AppendGroups(const Part& part, size_t row, size_t rows, std::vector<Fp16>& scales,
                                       std::vector<uint8_t>& zeros) const {
  if (part.integers->format == WeightFormat::kInt8) return {};
  const std::vector<Fp16> fitted =
      KernelScales(*part.integers, OCTET_TRY(part.integers->ReadScales(*tensors_, row, rows)));
  scales.insert(scales.end(), fitted.begin(), fitted.end());
  if (part.integers->zeros.empty()) return {};
  const std::vector<uint8_t> stored =
      KernelZeros(*part.integers, OCTET_TRY(part.integers->ReadZeros(*tensors_, row, rows)));
  zeros.insert(zeros.end(), stored.begin(), stored.end());
  return {};
}

Status CheckpointWeights::PackNvfp4Columns(const Source& source, const PackedMatrix& matrix, size_t first, size_t count,
                                           std::byte* packed) const {
  const size_t blocks = CeilDivide(matrix.depth, kernels::kNvfp4Block);
  std::vector<uint8_t> codes(count * matrix.depth), scales(count * blocks);
  for (const auto& [part, row, rows, at] : PiecesOf(source, first, count)) {
    OCTET_TRY(
        part.nvfp4->ReadCodes(*tensors_, row, rows, std::span(codes).subspan(at * matrix.depth, rows * matrix.depth)));
    OCTET_TRY(part.nvfp4->ReadScales(*tensors_, row, rows, std::span(scales).subspan(at * blocks, rows * blocks)));
  }
  kernels::PackWeightsNvfp4(codes.data(), scales.data(), count, matrix.depth, packed);
  return {};
}

}  // namespace octet
