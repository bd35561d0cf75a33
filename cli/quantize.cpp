// `octet quantize`: a checkpoint in fewer bits, as a Hugging Face directory that other programs read too.
#include <fmt/format.h>

#include <map>

#include "cli/verb.h"
#include "quantize/quantize.h"

namespace octet::cli {
namespace {

struct QuantizeOptions {
  std::string to;
  std::filesystem::path output;
  std::string head = "bf16";
  std::vector<std::string> keep;
  int threads = 0;
  bool list = false;

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&QuantizeOptions::to, "to", "recipe; --list shows them", Takes{"RECIPE"});
    visit(&QuantizeOptions::output, "output", "directory to write; one that octet made is replaced", Takes{"DIR"}, Short{'o'});
    visit(&QuantizeOptions::head, "head", "precision of the output head; fp8 saves memory and costs quality",
          OneOf{{"bf16", "fp8"}});
    visit(&QuantizeOptions::keep, "keep", "tensors or modules that stay as they are, with * and ?; may be repeated",
          Takes{"PATTERNS"}, SplitAtCommas{});
    visit(&QuantizeOptions::threads, "threads", "threads to use; 0: one a core", Between{0, 1024});
    visit(&QuantizeOptions::list, "list", "show the recipes and stop");
  }
};

Json RecipeList() {
  Json list = Json::array();
  for (const Recipe& recipe : Recipes()) {
    list.push_back({{"name", recipe.name},
                    {"bits_per_weight", recipe.bits_per_weight},
                    {"needs_calibration", recipe.needs_calibration},
                    {"full_speed_tiers", recipe.full_speed_tiers},
                    {"summary", recipe.summary}});
  }
  return list;
}

std::string RecipeTable() {
  std::string text = fmt::format("{:<8}{:<8}{:<14}{:<28}{}\n", "recipe", "bits", "calibration", "tiers at full speed", "what it is");
  for (const Recipe& recipe : Recipes()) {
    text += fmt::format("{:<8}{:<8}{:<14}{:<28}{}\n", recipe.name, recipe.bits_per_weight, recipe.needs_calibration ? "needed" : "no",
                        recipe.full_speed_tiers, recipe.summary);
  }
  return text;
}

// The precision map, shortened to one line for each kind of tensor: layers differ by number alone.
std::string ReportTable(const QuantizeReport& report) {
  struct Group {
    size_t tensors = 0;
    uint64_t weights = 0;
  };
  std::map<std::pair<std::string, std::string>, Group> groups;
  for (const QuantizedTensor& tensor : report.tensors) {
    Group& group = groups[{std::string(Name(tensor.precision.dtype)), tensor.precision.reason}];
    ++group.tensors;
    group.weights += ElementCount(tensor.precision.shape).value_or(0);
  }
  std::string text = fmt::format("{:<10}{:>8}{:>15}  {}\n", "precision", "tensors", "weights", "why");
  for (const auto& [kind, group] : groups) {
    text += fmt::format("{:<10}{:>8}{:>15}  {}\n", kind.first, group.tensors, group.weights, kind.second);
  }
  text += fmt::format("{:.1f} MB, {:.3f} of BF16; signal to noise {:.1f} dB\n", static_cast<double>(report.weight_bytes) / 1e6,
                      report.ratio(), report.mean_decibels);
  return text;
}

Status CheckGiven(const QuantizeOptions& options, const Invocation& call) {
  const char* missing = call.words().empty() ? "MODEL" : options.to.empty() ? "--to RECIPE" : options.output.empty() ? "-o DIR" : nullptr;
  if (missing == nullptr) return {};
  return Fail(ErrorCode::kInvalidArgument, missing, " is missing; `octet quantize --help` explains it");
}

Status Quantize(const QuantizeOptions& options, Invocation& call) {
  if (options.list) return call.json() ? call.PrintJson(RecipeList()) : call.Print(RecipeTable());
  OCTET_TRY(CheckGiven(options, call));
  const Recipe* recipe = OCTET_TRY(FindRecipe(options.to));
  const Checkpoint checkpoint = OCTET_TRY(Checkpoint::Open(call.word(0)));
  const QuantizePlan plan =
      OCTET_TRY(PlanQuantization(checkpoint, *recipe, {.quantise_head = options.head == "fp8", .keep = options.keep}));
  ThreadPool pool(options.threads > 0 ? static_cast<size_t>(options.threads) : ThreadPool::AvailableCores());
  const QuantizeReport report =
      OCTET_TRY(QuantizeCheckpoint(checkpoint, plan, options.output, {pool, call.progress(), call.cancel()}));
  return call.json() ? call.PrintJson(ToJson(report)) : call.Print(ReportTable(report));
}

const RegisterVerb kQuantize(MakeVerb<QuantizeOptions>({.name = "quantize",
                                                        .words = "[MODEL]",
                                                        .summary = "a model in fewer bits, as a Hugging Face directory",
                                                        .example = "octet quantize build/models/bf16 --to fp8 -o build/models/fp8"},
                                                       Quantize));

}  // namespace
}  // namespace octet::cli
