// `octet embed`: texts as vectors, by an encoder.
#include <fmt/format.h>

#include "base/mapped_file.h"
#include "cli/model_flags.h"
#include "cli/standard_input.h"
#include "cli/verb.h"
#include "engine/embed/embedder.h"
#include "engine/embed/vector_json.h"
#include "formats/json_lines.h"

namespace octet::cli {
namespace {

// Texts in one call of the embedder, so that progress shows and results leave early.
constexpr size_t kTextsAtOnce = 256;

struct EmbedOptions {
  std::string text;
  std::string file;
  std::string field = "text";
  std::string pooling = "auto";
  std::string normalize = "auto";
  size_t dimensions = 0;
  size_t threads = 0;
  std::string compute = "auto";
  std::string activations = "auto";
  std::string numa = "off";

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&EmbedOptions::text, "text", "the text itself");
    visit(&EmbedOptions::file, "file",
          "file with a text in each line, or JSON where it ends in .jsonl; - reads lines "
          "from standard input");
    visit(&EmbedOptions::field, "field", "where the text stands in the objects of a .jsonl file");
    visit(&EmbedOptions::pooling, "pooling",
          "vector of a text: mean of its tokens, or its first token (cls); auto: what the model's files say",
          OneOf{{"auto", "mean", "cls"}});
    visit(&EmbedOptions::normalize, "normalize", "vectors of length 1; auto: what the model's files say",
          OneOf{{"auto", "on", "off"}});
    visit(&EmbedOptions::dimensions, "dimensions",
          "keep the first so many numbers of each vector, for models trained so (Matryoshka); 0: all",
          Between{0, 1 << 17});
    visit(&EmbedOptions::threads, "threads", "threads that compute; 0: every core that this process may use",
          Between{0, 1024});
    visit(&EmbedOptions::compute, "compute",
          "type of matrices that aren't quantised; auto: f32 where the model's files have it, else bf16",
          OneOf{{"auto", "bf16", "f32"}});
    visit(&EmbedOptions::activations, "activations", kActivationsHelp, ActivationChoices());
    visit(&EmbedOptions::numa, "numa", kNumaHelp, NumaChoices());
  }
};

std::vector<std::string> LinesOf(std::string_view content) {
  std::vector<std::string> lines;
  while (!content.empty()) {
    const size_t end = std::min(content.find('\n'), content.size());
    std::string_view line = content.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
    content.remove_prefix(std::min(end + 1, content.size()));
  }
  return lines;
}

// Each line a string, or an object with the field.
Result<std::vector<std::string>> ReadJsonTexts(const std::string& path, const std::string& field) {
  JsonLines lines = OCTET_TRY(JsonLines::Open(path));
  std::vector<std::string> texts;
  while (const std::optional<Json> line = OCTET_TRY(lines.Next()))
    texts.push_back(line->is_string() ? line->get<std::string>() : OCTET_TRY(GetString(*line, field, lines.where())));
  return texts;
}

Result<std::vector<std::string>> ReadEmbedTexts(const EmbedOptions& options, const CancelFlag& cancel) {
  if (options.text.empty() == options.file.empty())
    return Fail(ErrorCode::kInvalidArgument, "give either --text TEXT or --file FILE; - is standard input");
  if (!options.text.empty()) return std::vector<std::string>{options.text};
  if (options.file.ends_with(".jsonl")) return ReadJsonTexts(options.file, options.field);
  if (options.file == "-") return LinesOf(OCTET_TRY(ReadStandardInput(cancel)));
  return LinesOf(OCTET_TRY(MappedFile::Open(options.file)).text());
}

EmbedderOptions ToEmbedderOptions(const EmbedOptions& options) {
  EmbedderOptions out{.threads = options.threads};
  if (options.compute == "bf16") out.compute = ComputeType::kBf16;
  if (options.compute == "f32") out.compute = ComputeType::kF32;
  out.activations = ActivationsOf(options.activations);
  out.numa = NumaOf(options.numa);
  return out;
}

EmbedWish ToWish(const EmbedOptions& options, const CancelFlag& cancel) {
  EmbedWish wish{.dimensions = options.dimensions, .cancel = &cancel};
  if (options.pooling != "auto") wish.pooling = options.pooling == "cls" ? Pooling::kCls : Pooling::kMean;
  if (options.normalize != "auto") wish.normalizes = options.normalize == "on";
  return wish;
}

// The shortest digits that read back as the same float.
std::string VectorText(std::span<const float> vector) {
  std::string text = "[";
  for (size_t i = 0; i < vector.size(); ++i)
    fmt::format_to(std::back_inserter(text), "{}{}", i == 0 ? "" : ",", vector[i]);
  return text + "]";
}

struct EmbedTotals {
  size_t texts = 0, tokens = 0, truncated = 0;
};

// With --json one object at the end, else a line for each vector as it is there.
Status EmbedAll(const std::vector<std::string>& texts, const EmbedWish& wish, Embedder& embedder, Invocation& call,
                EmbedTotals& totals, Json& items) {
  call.progress().Begin("embed", texts.size(), "texts");
  for (size_t first = 0; first < texts.size(); first += kTextsAtOnce) {
    const size_t count = std::min(kTextsAtOnce, texts.size() - first);
    const Embeddings embeddings = OCTET_TRY(embedder.Embed(std::span(texts).subspan(first, count), wish));
    for (size_t i = 0; i < count; ++i) {
      const std::span vector(embeddings.values.data() + i * embeddings.width, embeddings.width);
      totals.tokens += embeddings.tokens[i];
      if (call.json())
        items.push_back({{"index", first + i}, {"tokens", embeddings.tokens[i]}, {"embedding", VectorJson(vector)}});
      else
        OCTET_TRY(call.Print(VectorText(vector) + "\n"));
    }
    call.progress().Advance(count);
    totals.texts += count;
    totals.truncated += embeddings.truncated;
  }
  call.progress().End();
  return {};
}

Status Embed(const EmbedOptions& options, Invocation& call) {
  const std::vector<std::string> texts = OCTET_TRY(ReadEmbedTexts(options, call.cancel()));
  const std::unique_ptr<Embedder> embedder = OCTET_TRY(Embedder::Open(call.word(0), ToEmbedderOptions(options)));
  const EmbedWish wish = ToWish(options, call.cancel());
  EmbedTotals totals;
  Json items = Json::array();
  OCTET_TRY(EmbedAll(texts, wish, *embedder, call, totals, items));
  if (totals.truncated != 0) {
    call.Note(Cat(totals.truncated, " of ", totals.texts, " texts were cut to ", embedder->config().max_tokens,
                  " tokens, which is what the model reads"));
  }
  if (!call.json()) return {};
  return call.PrintJson(
      {{"model", call.word(0)},
       {"pooling", wish.pooling.value_or(embedder->config().pooling) == Pooling::kCls ? "cls" : "mean"},
       {"normalized", wish.normalizes.value_or(embedder->config().normalizes)},
       {"dimensions", options.dimensions == 0 ? embedder->spec().hidden : options.dimensions},
       {"tokens", totals.tokens},
       {"truncated", totals.truncated},
       {"tier", embedder->tier()},
       {"embeddings", std::move(items)}});
}

const RegisterVerb kEmbed(MakeVerb<EmbedOptions>({.name = "embed",
                                                  .words = "MODEL",
                                                  .summary = "texts as vectors, by an encoder such as BERT",
                                                  .example = "octet embed all-MiniLM-L6-v2 --text 'A sentence' --json"},
                                                 Embed));

}  // namespace
}  // namespace octet::cli
