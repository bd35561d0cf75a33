// Asking a model: one request after the other, each streamed as it is made.
//
//   octet::Session session(model);
//   octet::GenerateOptions options = model.default_options();
//   options.max_tokens = 64;
//   auto answer = session.Chat({{{"user", "What is the capital of France?"}}}, options, [](std::string_view piece) {
//     std::fwrite(piece.data(), 1, piece.size(), stdout);
//     return true;
//   });
//
// A request that repeats the last one with more behind it goes on from the cache. Sessions of one model may live in
// several threads; their requests wait for each other.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octet/error.h"
#include "octet/generate.h"
#include "octet/model.h"

namespace octet {

struct ChatMessage {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

class Session {
 public:
  // Keeps the model open.
  explicit Session(const Model& model);
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  // Goes on from a text as it is, without a chat template. Fails with invalid_argument for text that is not UTF-8, a
  // prompt that the context has no room for (with both numbers) and options that can't work.
  Result<GenerateResult> Generate(std::string_view prompt, const GenerateOptions& options, const OnText& on_text = {});

  // The same from token ids.
  Result<GenerateResult> GenerateFromTokens(std::vector<int32_t> prompt, const GenerateOptions& options,
                                            const OnText& on_text = {});

  // Answers the last message by the model's chat template, which alone may write special tokens. Fails also with
  // invalid_argument where the model has no template.
  Result<GenerateResult> Chat(std::span<const ChatMessage> messages, const GenerateOptions& options,
                              const OnText& on_text = {});

  // From here on requests are answered with a LoRA adapter of the model, a folder as PEFT saves it; an empty path:
  // without one. Fails with not_found, corrupt or unsupported as the files are, with invalid_argument for one of
  // another model, naming both shapes; nothing changes then.
  Status UseAdapter(const std::filesystem::path& directory);

  // Stops the request that runs now, from another thread or a signal handler; its answer so far is returned.
  void Cancel();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace octet
