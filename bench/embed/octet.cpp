// Texts per second of an encoder, in turns with other programs: reads a line from standard input, embeds all texts once
// and prints `rate TEXTS_PER_SECOND`, tokenising included.
//
//   bench_embed MODEL TEXTS.jsonl THREADS f32|bf16 [CHUNK]
//
// Each run must give the bits of the one before the first. CHUNK is how
// many tokens fill a pass. Who takes turns: bench/embed/turns.py.
#include <fmt/core.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "engine/embed/embedder.h"
#include "formats/json_lines.h"

namespace octet::bench {
namespace {

Result<std::vector<std::string>> ReadAllTexts(const char* path) {
  JsonLines lines = OCTET_TRY(JsonLines::Open(path));
  std::vector<std::string> texts;
  while (const std::optional<Json> line = OCTET_TRY(lines.Next())) texts.push_back(line->get<std::string>());
  return texts;
}

Status Serve(char** words, size_t chunk) {
  const std::vector<std::string> texts = OCTET_TRY(ReadAllTexts(words[2]));
  const EmbedderOptions options{.threads = static_cast<size_t>(std::atoi(words[3])),
                                .chunk = chunk,
                                .compute = words[4] == std::string("f32") ? ComputeType::kF32 : ComputeType::kBf16};
  const std::unique_ptr<Embedder> embedder = OCTET_TRY(Embedder::Open(words[1], options));
  const Embeddings first = OCTET_TRY(embedder->Embed(texts, {}));
  for (std::string line; std::getline(std::cin, line);) {
    const auto start = std::chrono::steady_clock::now();
    const Embeddings again = OCTET_TRY(embedder->Embed(texts, {}));
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (again.values != first.values) return Fail(ErrorCode::kInternal, "two runs gave different vectors");
    fmt::print("rate {}\n", static_cast<double>(texts.size()) / seconds);
    std::fflush(stdout);
  }
  return {};
}

}  // namespace
}  // namespace octet::bench

int main(int count, char** words) {
  if (count != 5 && count != 6) {
    fmt::print(stderr, "usage: bench_embed MODEL TEXTS.jsonl THREADS f32|bf16 [CHUNK]\n");
    return 2;
  }
  const octet::Status done = octet::bench::Serve(
      words, count == 6 ? static_cast<size_t>(std::atoi(words[5])) : octet::EmbedderOptions().chunk);
  if (done) return 0;
  fmt::print(stderr, "bench_embed: {}\n", done.error().message);
  return 1;
}
