#include "models/adapter_pass.h"

#include <algorithm>

namespace octet {
namespace {

// The panels of all items as one row of them, begin .. end - 1 of which are visited: visit(item, its first, its end).
template <class Item, class Count, class Visit>
void ForPanels(std::span<const Item> items, size_t begin, size_t end, const Count& count, const Visit& visit) {
  size_t base = 0;
  for (const Item& item : items) {
    const size_t panels = count(item);
    const size_t first = std::max(begin, base), last = std::min(end, base + panels);
    if (first < last) visit(item, first - base, last - base);
    base += panels;
  }
}

template <class Item, class Count>
size_t CountPanels(std::span<const Item> items, const Count& count) {
  size_t panels = 0;
  for (const Item& item : items) panels += count(item);
  return panels;
}

}  // namespace

Status AdapterPass::Plan(std::span<const Decoder::Run> runs, nn::ExecutionContext& context) {
  context_ = &context;
  if (std::none_of(runs.begin(), runs.end(), [](const Decoder::Run& run) { return run.adapter != nullptr; })) return {};
  const std::span<Group> groups = OCTET_TRY(context.workspace.Array<Group>(runs.size()));
  size_t count = 0, row = 0;
  for (const Decoder::Run& run : runs) {
    const size_t rows = run.tokens.size();
    const bool goes_on = count > 0 && groups[count - 1].adapter == run.adapter &&
                         groups[count - 1].first_row + groups[count - 1].rows == row;
    if (run.adapter != nullptr && goes_on)
      groups[count - 1].rows += rows;
    else if (run.adapter != nullptr && rows > 0)
      groups[count++] = {.adapter = run.adapter, .first_row = row, .rows = rows};
    row += rows;
  }
  groups_ = groups.first(count);
  return {};
}

Result<std::span<AdapterPass::Work>> AdapterPass::PlanWork(size_t layer, Adapter::Product product,
                                                           const nn::Rows& input) const {
  const std::span<Work> all = OCTET_TRY(context_->workspace.Array<Work>(groups_.size()));
  size_t count = 0;
  for (const Group& group : groups_) {
    const Adapter::Change& change = group.adapter->At(layer, product);
    if (change.parts.empty()) continue;
    const nn::Rows rows{input.data + group.first_row * input.stride, input.stride, group.rows, input.width};
    Work& work = all[count++];
    work = {.change = &change, .first_row = group.first_row, .rows = group.rows};
    work.input = OCTET_TRY(nn::PackRows(*context_, change.a, rows, [](size_t, size_t) {}));
    work.ranks = OCTET_TRY(context_->workspace.Floats(group.rows * change.a.columns));
  }
  return all.first(count);
}

void AdapterPass::MultiplyRanks(std::span<const Work> work) const {
  const auto panels = [](const Work& one) { return kernels::Panels(one.change->a.columns); };
  context_->pool.ForEachShare(CountPanels(work, panels), [&](size_t begin, size_t end) {
    ForPanels(work, begin, end, panels, [&](const Work& one, size_t first, size_t last) {
      const PackedMatrix& a = one.change->a;
      nn::MultiplyPanels(*context_, a, one.input, one.ranks, a.columns, {first, last});
    });
  });
}

Result<std::span<AdapterPass::Addend>> AdapterPass::PlanAddends(std::span<const Work> work) const {
  size_t most = 0;
  for (const Work& one : work) most += one.change->parts.size();
  const std::span<Addend> addends = OCTET_TRY(context_->workspace.Array<Addend>(most));
  size_t count = 0;
  for (const Work& one : work) {
    const size_t ranks = one.change->a.columns;
    for (const Adapter::Part& part : one.change->parts) {
      const nn::Rows rows{one.ranks + part.first_rank, ranks, one.rows, part.b.depth};
      Addend& addend = addends[count++];
      addend = {.part = &part, .first_row = one.first_row, .rows = one.rows};
      addend.input = OCTET_TRY(nn::PackRows(*context_, part.b, rows, [](size_t, size_t) {}));
      addend.out = OCTET_TRY(context_->workspace.Floats(one.rows * part.b.columns));
    }
  }
  return addends;
}

void AdapterPass::AddAll(std::span<const Addend> addends, float* out, size_t out_stride) const {
  const auto panels = [](const Addend& one) { return kernels::Panels(one.part->b.columns); };
  context_->pool.ForEachShare(CountPanels(addends, panels), [&](size_t begin, size_t end) {
    ForPanels(addends, begin, end, panels, [&](const Addend& one, size_t first, size_t last) {
      const PackedMatrix& b = one.part->b;
      nn::MultiplyPanels(*context_, b, one.input, one.out, b.columns, {first, last});
      const size_t from = first * kernels::kPanelColumns, to = std::min(last * kernels::kPanelColumns, b.columns);
      for (size_t row = 0; row < one.rows; ++row) {
        float* sum = out + (one.first_row + row) * out_stride + one.part->first_column + from;
        context_->kernels.add(one.out + row * b.columns + from, to - from, sum);
      }
    });
  });
}

Status AdapterPass::Add(size_t layer, Adapter::Product product, const nn::Rows& input, float* out,
                        size_t out_stride) const {
  if (is_empty()) return {};
  const nn::Workspace::Scope scope(context_->workspace);
  const std::span<const Work> work = OCTET_TRY(PlanWork(layer, product, input));
  if (work.empty()) return {};
  MultiplyRanks(work);
  const std::span<const Addend> addends = OCTET_TRY(PlanAddends(work));
  AddAll(addends, out, out_stride);
  return {};
}

}  // namespace octet
