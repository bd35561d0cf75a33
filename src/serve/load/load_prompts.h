// What a load run asks: prompts of a file, or made-up ones of a given length.
//
//   LoadPrompts prompts = OCTET_TRY(LoadPrompts::Read("prompts.jsonl"));
//   std::string body = RequestBody(prompts.At(7), settings);
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace octet::serve {

struct LoadPrompt {
  Json content;  // a text, or a list of messages
  std::optional<size_t> max_tokens = {};
};

class LoadPrompts {
 public:
  // Lines {"prompt": TEXT} or {"messages": [...]}, each with "max_tokens" where it has a length of its own. Fails with
  // corrupt, naming the line, and with invalid_argument for a file without any.
  static Result<LoadPrompts> Read(const std::filesystem::path& path);
  // Texts of so many words, drawn anew for each request, so that no two begin alike.
  static LoadPrompts OfWords(size_t words, uint64_t seed);

  // The prompt of a request; those of a file come again behind its end.
  LoadPrompt At(size_t request) const;
  // Whether one of them is a list of messages, which no completion takes.
  bool has_messages() const;

 private:
  std::vector<LoadPrompt> from_file_;
  size_t words_ = 0;
  uint64_t seed_ = 0;
};

struct AskSettings {
  std::string model;
  bool is_chat = true;  // else a completion
  size_t max_tokens = 128;
  bool ignore_eos = true;  // a field of vLLM, llama.cpp and Octet: answers have their full length
  double temperature = 0;
};

// Of POST /chat/completions or /completions, streamed, with the usage at its end.
std::string RequestBody(const LoadPrompt& prompt, const AskSettings& settings);
// The same, unstreamed, for one token: its usage tells how many tokens the prompt has.
std::string ProbeBody(const LoadPrompt& prompt, const AskSettings& settings);

}  // namespace octet::serve
