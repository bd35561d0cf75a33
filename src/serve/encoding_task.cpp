#include "serve/encoding_task.h"

#include <utility>

namespace octet::serve {
namespace {

// What is left of a request once its inputs are with the encoder.
struct PendingReply {
  std::function<Json(std::span<const float>)> reply;
  size_t inputs = 0, tokens = 0;
  std::shared_ptr<Answer> answer;
  std::vector<HttpHeader> headers;
};

ApiError EncodingError(const EncoderResult& result) {
  if (result.deadline_passed) return StatusError(504, result.values.error().message);
  if (result.values.error().code == ErrorCode::kCancelled)
    return StatusError(503, "the server ended before the texts were computed");
  return FromError(result.values.error());
}

void SendResult(const PendingReply& pending, const EncoderResult& result) {
  pending.answer->AddToLog(
      {{"inputs", pending.inputs}, {"prompt_tokens", pending.tokens}, {"queue_seconds", result.queue_seconds}});
  if (!result.values) {
    pending.answer->AddToLog({{"error", result.values.error().message}});
    return pending.answer->Send(ErrorReply(EncodingError(result)));
  }
  HttpReply reply = JsonReply(pending.reply(*result.values));
  reply.headers = pending.headers;
  pending.answer->Send(std::move(reply));
}

}  // namespace

void StartEncoding(Encoding encoding, ModelLease model, std::shared_ptr<Answer> answer,
                   std::optional<std::chrono::steady_clock::time_point> deadline, std::vector<HttpHeader> headers) {
  auto pending = std::make_shared<PendingReply>(PendingReply{.reply = std::move(encoding.reply),
                                                             .inputs = encoding.inputs.size(),
                                                             .tokens = encoding.tokens,
                                                             .answer = answer,
                                                             .headers = std::move(headers)});
  // The lease ends with the loop's call; long vectors become text on the connection's thread.
  const auto on_done = [pending, model](EncoderResult result) {
    pending->answer->Post([pending, result = std::move(result)] { SendResult(*pending, result); });
  };
  const Result<uint64_t> id =
      model->encoder->Submit({.inputs = std::move(encoding.inputs), .deadline = deadline}, on_done);
  if (!id) return answer->Send(ErrorReply(FromError(id.error())));
  answer->WhenGone([weak = std::weak_ptr<const OpenModel>(model), id = *id] {
    if (const ModelLease open = weak.lock()) open->encoder->Cancel(id);
  });
}

}  // namespace octet::serve
