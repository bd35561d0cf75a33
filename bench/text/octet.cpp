// Speed of a tokenizer on a text with one thread, after a check that repeated calls agree.
//
//   bench_text MODEL TEXT [--repetitions N] [--ids FILE] [--json]
//   bench_text MODEL.gguf --tokenizer-json FILE
//
// MODEL is what OpenTokenizer reads. `first` is the first call on a new tokenizer, whose cache of words is empty. --ids
// writes the ids as 32-bit numbers, --tokenizer-json writes the vocabulary of a GGUF file for other programs;
// bench/peers/tokenizer_turns.py holds both against tiktoken and Hugging Face's tokenizers. MB are 10^6 bytes of text.
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/json_text.h"
#include "base/mapped_file.h"
#include "bench/gemm/limits.h"
#include "formats/gguf.h"
#include "text/gguf_tokenizer.h"
#include "text/open_tokenizer.h"

namespace octet::bench {
namespace {

struct Options {
  std::string model, text, ids, tokenizer_json;
  int repetitions = 9;
  bool json = false;
};

int Complain(std::string_view message) {
  fmt::print(stderr, "bench_text: {}\n", message);
  return 1;
}

void Write(const std::string& path, const void* data, size_t bytes) {
  std::ofstream(path, std::ios::binary).write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
}

double SecondsOf(const std::function<void()>& body) {
  const double start = ThreadSeconds();
  body();
  return ThreadSeconds() - start;
}

std::string DecodeAsStream(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  StreamDecoder stream(tokenizer, /*skip_special=*/false);
  std::string text;
  for (const int32_t id : ids) stream.Push(id, text);
  return text + stream.Finish();
}

struct Task {
  std::string_view name;
  double first = 0;  // seconds
  std::vector<double> seconds;
};

void Report(const Options& options, size_t bytes, size_t tokens, std::vector<Task>& tasks) {
  Json json = {{"bytes", bytes}, {"tokens", tokens}};
  const auto rate = [bytes](double seconds) { return static_cast<double>(bytes) * 1e-6 / seconds; };
  for (Task& task : tasks) {
    json[std::string(task.name)] = {{"first", task.first}, {"seconds", task.seconds}};
    std::sort(task.seconds.begin(), task.seconds.end());
    if (options.json) continue;
    fmt::print("{:7} {} bytes, {} tokens  first {:6.1f} MB/s  median {:6.1f} MB/s ({:.1f}-{:.1f})\n", task.name, bytes,
               tokens, rate(task.first), rate(task.seconds[task.seconds.size() / 2]), rate(task.seconds.back()),
               rate(task.seconds.front()));
  }
  if (options.json) fmt::print("{}\n", Dump(json));
}

int Measure(const Options& options) {
  const Result<Tokenizer> tokenizer = OpenTokenizer(options.model);
  if (!tokenizer) return Complain(tokenizer.error().message);
  const Result<std::string> text = ReadTextFile(options.text);
  if (!text) return Complain(text.error().message);
  constexpr EncodeOptions kPlain{.add_special = false, .parse_special = false};
  std::vector<int32_t> ids;
  std::string decoded, streamed;
  std::vector<Task> tasks(3);
  const std::pair<std::string_view, std::function<void()>> bodies[] = {
      {"encode", [&] { ids = tokenizer->Encode(*text, kPlain); }},
      {"decode", [&] { decoded = tokenizer->Decode(ids); }},
      {"stream", [&] { streamed = DecodeAsStream(*tokenizer, ids); }}};
  for (size_t i = 0; i < tasks.size(); ++i) tasks[i] = {bodies[i].first, SecondsOf(bodies[i].second), {}};
  if (decoded != streamed) return Complain("the streamed text differs from the decoded one");
  if (tokenizer->Encode(*text, kPlain) != ids) return Complain("a second call gives other ids");
  for (int repetition = 0; repetition < options.repetitions; ++repetition) {
    for (size_t i = 0; i < tasks.size(); ++i) tasks[i].seconds.push_back(SecondsOf(bodies[i].second));
  }
  if (!options.ids.empty()) Write(options.ids, ids.data(), ids.size() * sizeof(int32_t));
  Report(options, text->size(), ids.size(), tasks);
  return 0;
}

int WriteJson(const Options& options) {
  const Result<std::shared_ptr<const GgufFile>> file = GgufFile::Open(options.model);
  if (!file) return Complain(file.error().message);
  const Result<std::string> json = TokenizerJsonFromGguf(**file);
  if (!json) return Complain(json.error().message);
  Write(options.tokenizer_json, json->data(), json->size());
  return 0;
}

}  // namespace
}  // namespace octet::bench

int main(int argc, char** argv) {
  octet::bench::Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const auto value = [&] { return i + 1 < argc ? std::string(argv[++i]) : std::string(); };
    if (argument == "--repetitions") {
      options.repetitions = std::max(1, std::atoi(value().c_str()));
    } else if (argument == "--ids") {
      options.ids = value();
    } else if (argument == "--tokenizer-json") {
      options.tokenizer_json = value();
    } else if (argument == "--json") {
      options.json = true;
    } else {
      (options.model.empty() ? options.model : options.text) = argument;
    }
  }
  if (!options.tokenizer_json.empty()) return octet::bench::WriteJson(options);
  if (options.text.empty()) return octet::bench::Complain("wants a model and a text; bench/text/octet.cpp says more");
  return octet::bench::Measure(options);
}
