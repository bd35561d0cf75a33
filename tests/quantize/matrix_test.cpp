// Every recipe, with the head as it was and quantised, with the cache in BF16 and in FP8, on every tier of this CPU:
// the table of docs/quantization.md.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "base/atomic_file.h"
#include "quantize/calibration.h"
#include "quantize/kv_check.h"
#include "tests/base/temporary_directory.h"
#include "tests/kernels/tile_twin.h"
#include "tests/models/golden_model.h"

namespace octet {
namespace {

// How far a tier's logits may be from those of the reference, of their norm. Sums in another order move a few inputs of
// the next product across a boundary of their rounding: to BF16 by 2^-9 of the input, to INT8 by 1/254 of the largest
// of its token. Three layers of this model stay below this; a kernel that takes a wrong scale or code doesn't.
constexpr double kBound = 0.02;
constexpr const char* kBegin = "<!-- matrix: begin -->\n";
constexpr const char* kEnd = "<!-- matrix: end -->";
const std::string kPage = OCTET_SOURCE_DIR "/docs/quantization.md";

// In the order of the page; those that a CPU lacks stay as the page has them, but for amx, which has a twin in plain
// C++ with the same bits.
constexpr const char* kTiers[] = {"reference", "avx2", "avx512", "avx512_bf16", "amx"};

std::map<std::string, const kernels::KernelTable*> TiersHere() {
  std::map<std::string, const kernels::KernelTable*> tiers = {{"amx", &kernels::TileTwin()}};
  for (const kernels::KernelTable* tier : kernels::AvailableTiers()) tiers[tier->name] = tier;
  return tiers;
}

struct Combination {
  const Recipe* recipe;
  bool quantises_head;
  bool rounds_cache;

  std::string Key() const {
    return fmt::format("| {} | {} | {} |", recipe->name, quantises_head ? Name(recipe->encoding) : "bf16",
                       rounds_cache ? "fp8" : "bf16");
  }
};

class RecipeMatrix : public testing::Test {
 protected:
  static std::vector<Combination> All() {
    std::vector<Combination> all;
    for (const Recipe& recipe : Recipes()) {
      if (recipe.is_mixed) continue;  // takes the others, a layer at a time
      for (const bool head : {false, true}) {
        for (const bool cache : {false, true}) all.push_back({&recipe, head, cache});
      }
    }
    return all;
  }

  // Writes the checkpoint; its cache's types come from its own config.json.
  void Write(const Combination& wanted) {
    PrecisionChoices choices{.group = wanted.recipe->group};
    if (wanted.quantises_head) choices.head = wanted.recipe->encoding;
    QuantizePlan plan = Must(PlanQuantization(original_, *wanted.recipe, choices));
    const CalibrationText text = {ids_};
    if (wanted.rounds_cache) plan.kv = Must(CheckKv(original_, text, {}, run_));
    if (wanted.recipe->takes_calibration()) {
      plan.calibration_tokens = TokensOf(text);
      if (wanted.recipe->search == Search::kNearest)
        plan.inputs = Must(MeasureInputs(original_, text, {}, run_));
      else
        plan.windows = text;
    }
    Must(QuantizeCheckpoint(original_, plan, directory_ / "out", run_));
  }

  // On a tier, inputs as `auto` rounds them.
  std::vector<float> Logits(const kernels::KernelTable& tier, bool rounds_cache) {
    TinyModel model(Must(Checkpoint::Open(directory_ / "out")), ComputeType::kAuto, tier);
    for (size_t layer = 0; layer < model.decoder.kv_layout().layers(); ++layer) {
      EXPECT_EQ(model.decoder.kv_layout().layer(layer).format,
                rounds_cache ? kernels::CacheFormat::kE4M3 : kernels::CacheFormat::kBf16);
    }
    return model.Logits(ids_, ids_.size());
  }

  // Whether the logits are near those of the reference, by tier.
  std::map<std::string, bool> RunOnAllTiers(const Combination& wanted) {
    Write(wanted);
    const std::vector<float> reference = Logits(*tiers_.at("reference"), wanted.rounds_cache);
    std::map<std::string, bool> is_near;
    for (const auto& [name, tier] : tiers_) {
      const double error = RelativeError(Logits(*tier, wanted.rounds_cache), reference);
      EXPECT_LE(error, kBound) << wanted.Key() << " on " << name;
      is_near[name] = error <= kBound;
      worst_ = std::max(worst_, error);
    }
    return is_near;
  }

  const std::map<std::string, const kernels::KernelTable*> tiers_ = TiersHere();
  double worst_ = 0;  // of all
  const std::vector<int32_t> ids_ = ReadGolden("llama3").ids;
  const Checkpoint original_ = Must(Checkpoint::Open(GoldenModel("llama3")));
  TemporaryDirectory directory_;
  ThreadPool pool_{2};
  Progress progress_;
  CancelFlag cancel_;
  const QuantizeRun run_{pool_, progress_, cancel_};
};

// The cells of the page's table by the row's key.
std::map<std::string, std::vector<std::string>> CellsOf(const std::string& page) {
  std::map<std::string, std::vector<std::string>> rows;
  for (size_t at = page.find(kBegin), end = page.find(kEnd); at < end;) {
    const size_t line_end = page.find('\n', at);
    const std::string line = page.substr(at, line_end - at);
    at = line_end + 1;
    size_t place = 0;
    for (int column = 0; column < 3 && place != std::string::npos; ++column) place = line.find('|', place + 1);
    if (!line.starts_with("| ") || place == std::string::npos) continue;
    std::vector<std::string>& cells = rows[line.substr(0, place + 1)];
    while (true) {
      const size_t next = line.find('|', place + 1);
      if (next == std::string::npos) break;
      cells.push_back(line.substr(place + 2, next - place - 3));
      place = next;
    }
  }
  return rows;
}

std::string PageWith(const std::string& page, const std::string& table) {
  const size_t begin = page.find(kBegin), end = page.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos) return {};
  return page.substr(0, begin) + kBegin + table + page.substr(end);
}

// With OCTET_WRITE_DOCS=1 it writes the page instead of comparing it.
TEST_F(RecipeMatrix, EveryRecipeHeadAndCacheRunsOnEveryTierAndThePageSaysSo) {
  const std::string page = Must(ReadTextFile(kPage));
  const auto before = CellsOf(page);
  std::string table = "| recipe | head | cache |";
  for (const char* tier : kTiers) table += fmt::format(" {} |", tier);
  table += "\n|---|---|---|---|---|---|---|---|\n";
  for (const Combination& wanted : All()) {
    const std::map<std::string, bool> is_near = RunOnAllTiers(wanted);
    const auto row = before.find(wanted.Key());
    table += wanted.Key();
    for (size_t i = 0; i < std::size(kTiers); ++i) {
      const auto here = is_near.find(kTiers[i]);
      const bool was_there = row != before.end() && i < row->second.size();
      const std::string elsewhere = was_there ? row->second[i] : "not seen";
      table += fmt::format(" {} |", here == is_near.end() ? elsewhere : here->second ? "yes" : "no");
    }
    table += "\n";
  }
  RecordProperty("worst", fmt::format("{:.1e}", worst_));
  const std::string wanted = PageWith(page, table);
  ASSERT_FALSE(wanted.empty()) << kPage << " has lost the marks of its table";
  if (std::getenv("OCTET_WRITE_DOCS") != nullptr) {
    ASSERT_TRUE(WriteFileAtomically(kPage, wanted).has_value());
  } else {
    EXPECT_EQ(page, wanted) << "run `make matrix`";
  }
}

}  // namespace
}  // namespace octet
