// The flags of the verbs that measure a model: how it is computed, and the items that it is asked.
//
//   struct ChoicesOptions { ItemFlags items; ScoringFlags model; ... visit(&ChoicesOptions::items); };
//   const std::unique_ptr<ThreadPool> pool = OCTET_TRY(ThreadPool::Start(ThreadsOf(options.model)));
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/options.h"
#include "cli/model_flags.h"
#include "cli/verb.h"
#include "eval/decoder_model.h"
#include "eval/items.h"

namespace octet::cli {

struct ScoringFlags {
  std::string activations = "auto";
  std::string dtype = "auto";
  std::string kv = "auto";
  int threads = 0;

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&ScoringFlags::activations, "activations", kActivationsHelp, ActivationChoices());
    visit(&ScoringFlags::dtype, "dtype", "what weights that aren't quantised are computed in; auto: as stored",
          OneOf{{"auto", "bf16", "f32"}});
    visit(&ScoringFlags::kv, "kv", Cat(kKvHelp, "; of the models of eval compare B alone has it"), KvChoices());
    visit(&ScoringFlags::threads, "threads", "threads to use; 0: one a core", Between{0, 1024});
  }
};

size_t ThreadsOf(const ScoringFlags& flags);
DecoderModelOptions ToDecoderOptions(const ScoringFlags& flags, size_t context, const CancelFlag& cancel);
EngineOptions ToEngineOptions(const ScoringFlags& flags);

struct ItemFlags {
  std::filesystem::path items;
  std::filesystem::path examples;
  std::optional<size_t> shots;
  std::string description;
  size_t limit = 0;
  bool per_item = false;

  template <class Visit>
  static void Describe(Visit&& visit) {
    using F = ItemFlags;
    visit(&F::items, "items", "JSONL with an item in each line: question, answer, and choices where there are any",
          Required{});
    visit(&F::examples, "examples", "JSONL of the same form whose items stand, solved, before each question");
    visit(&F::shots, "shots", "how many of --examples, from the first on; all unless given", Between{0, 1 << 20});
    visit(&F::description, "description", "text before examples and question");
    visit(&F::limit, "limit", "only so many items, from the first on; 0: all", Between{0, 1 << 30});
    visit(&F::per_item, "per-item", "with --json: what came out of each item, too");
  }
};

// Fails with invalid_argument for --shots without --examples and --per-item without --json.
Status CheckItemFlags(const ItemFlags& flags, const Invocation& call);

// The items of the file, at most --limit of them.
template <class Item>
Result<std::vector<Item>> LimitedItems(Result<std::vector<Item>> items, const ItemFlags& flags) {
  if (items && flags.limit != 0 && items->size() > flags.limit) items->resize(flags.limit);
  return items;
}

// The frame of every question; `read` reads a file of items.
template <class Item>
Result<PromptFrame> FrameOf(const ItemFlags& flags, std::string_view delimiter,
                            Result<std::vector<Item>> (*read)(const std::filesystem::path& path)) {
  PromptFrame frame{.description = flags.description, .delimiter = std::string(delimiter), .examples = {}};
  if (flags.examples.empty()) return frame;
  const std::vector<Item> examples = OCTET_TRY(read(flags.examples));
  Result<std::vector<SolvedExample>> solved = ExamplesOf(examples, flags.shots.value_or(examples.size()));
  if (!solved) return Prefixed(std::move(solved).error(), Cat(flags.examples, ": "));
  frame.examples = std::move(*solved);
  return frame;
}

}  // namespace octet::cli
