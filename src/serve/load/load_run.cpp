#include "serve/load/load_run.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cmath>
#include <memory>

#include "base/random.h"
#include "serve/load/answer_reader.h"

namespace octet::serve {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLookForCancel{20};
constexpr size_t kFewProbeWords = 8, kManyProbeWords = 136;

class LoadRun {
 public:
  LoadRun(const AskSettings& settings, const LoadPrompts& prompts, const LoadShape& shape, const CancelFlag& cancel,
          Progress& progress)
      : settings_(settings), prompts_(prompts), shape_(shape), cancel_(cancel), progress_(progress) {}

  // Where the server's address is gone by now, every request would fail in the same way: that is one failure.
  LoadOutcome Run(const LoadTarget& target) {
    Result<LoadClient> client = LoadClient::Connect(io_, target.url, target.client);
    if (!client) {
      outcome_.records.push_back({.failure = client.error().message});
      return std::move(outcome_);
    }
    client_ = std::make_unique<LoadClient>(std::move(*client));
    begun_ = Clock::now();
    Look();
    if (shape_.rate) {
      Arrive();
    } else {
      for (size_t i = 0; i < shape_.concurrency && MayStart(); ++i) Start();
    }
    io_.run();
    outcome_.cut_off = under_way_;
    return std::move(outcome_);
  }

 private:
  double Now() const { return std::chrono::duration<double>(Clock::now() - begun_).count(); }
  bool MayStart() const {
    return !(shape_.requests && started_ >= *shape_.requests) && !(shape_.seconds && Now() >= *shape_.seconds);
  }

  // Every few milliseconds: is there a wish to stop? Stopping the context leaves what is under way unanswered.
  void Look() {
    if (cancel_.requested()) return io_.stop();
    look_.expires_after(kLookForCancel);
    look_.async_wait([this](error_code error) {
      if (!error) Look();
    });
  }

  // The next arrival, reckoned from the last one's due time and not from now: delays don't add up.
  void Arrive() {
    due_ += NextGap(shape_.seed, started_, *shape_.rate);
    const bool over = (shape_.requests && started_ >= *shape_.requests) || (shape_.seconds && due_ >= *shape_.seconds);
    if (over) {
      all_arrived_ = true;
      return EndIfDone();
    }
    arrival_.expires_at(begun_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(due_)));
    arrival_.async_wait([this](error_code error) {
      if (error) return;
      Start();
      Arrive();
    });
  }

  void Start() {
    struct Asked {
      LoadRecord record;
      AnswerReader reader{record};
    };
    const auto asked = std::make_shared<Asked>();
    ClientRequest request{.path = settings_.is_chat ? "/chat/completions" : "/completions",
                          .body = RequestBody(prompts_.At(started_), settings_)};
    ++started_;
    ++under_way_;
    asked->record.sent = Now();
    client_->Ask(std::move(request),
                 {.head = [asked](int status) { asked->reader.Head(status); },
                  .bytes = [this, asked](std::string_view bytes) { asked->reader.Bytes(bytes, Now()); },
                  .end =
                      [this, asked](std::string failure) {
                        asked->reader.End(std::move(failure), Now());
                        Ended(std::move(asked->record));
                      }});
  }

  void Ended(LoadRecord record) {
    --under_way_;
    outcome_.records.push_back(std::move(record));
    progress_.Advance(1);
    if (!shape_.rate && MayStart()) Start();
    EndIfDone();
  }

  void EndIfDone() {
    if (under_way_ == 0 && (!shape_.rate || all_arrived_)) io_.stop();
  }

  const AskSettings& settings_;
  const LoadPrompts& prompts_;
  const LoadShape& shape_;
  const CancelFlag& cancel_;
  Progress& progress_;
  asio::io_context io_{1};
  asio::steady_timer look_{io_}, arrival_{io_};
  std::unique_ptr<LoadClient> client_;
  Clock::time_point begun_;
  double due_ = 0;
  bool all_arrived_ = false;
  size_t started_ = 0, under_way_ = 0;
  LoadOutcome outcome_;
};

Result<double> PromptTokens(const Json& reply) {
  const Json::json_pointer place("/usage/prompt_tokens");
  if (reply.is_object() && reply.contains(place) && reply[place].is_number()) return reply[place].get<double>();
  return Fail(ErrorCode::kUnsupported,
              "the server's replies tell no usage.prompt_tokens, so that no prompt can be made to length; give a "
              "--dataset");
}

}  // namespace

Result<LoadTarget> LoadTarget::Open(ServerUrl url, ClientOptions client, std::string model, const CancelFlag& cancel) {
  LoadTarget target{std::move(url), std::move(client), std::move(model)};
  if (!target.model.empty()) return target;
  asio::io_context io;
  const LoadClient asking = OCTET_TRY(LoadClient::Connect(io, target.url, target.client));
  const Json models = OCTET_TRY(asking.AskAndWait({.path = "/models", .method = "GET"}, cancel));
  const Json::json_pointer first("/data/0/id");
  if (!models.is_object() || !models.contains(first) || !models[first].is_string())
    return Fail(ErrorCode::kUnsupported, "the server at ", target.url.host, ":", target.url.port,
                " lists no model; name one with --model");
  target.model = models[first].get<std::string>();
  return target;
}

Result<size_t> LoadTarget::WordsFor(size_t tokens, const AskSettings& settings, uint64_t seed,
                                    const CancelFlag& cancel) const {
  asio::io_context io;
  const LoadClient asking = OCTET_TRY(LoadClient::Connect(io, url, client));
  const auto length = [&](size_t words) -> Result<double> {
    // Of a request number that no run reaches, so that no prompt of a run begins as a probe does.
    const LoadPrompt prompt = LoadPrompts::OfWords(words, seed).At(UINT32_MAX);
    ClientRequest request{.path = settings.is_chat ? "/chat/completions" : "/completions",
                          .body = ProbeBody(prompt, settings)};
    const Json reply = OCTET_TRY(asking.AskAndWait(std::move(request), cancel));
    return PromptTokens(reply);
  };
  const double few = OCTET_TRY(length(kFewProbeWords));
  // As many as fit the length that is asked for, by the first probe: the context has room for no more, perhaps.
  const double fitting = kFewProbeWords * static_cast<double>(tokens) / std::max(few, 1.0);
  const auto many_words = static_cast<size_t>(std::clamp<double>(fitting, 2 * kFewProbeWords, kManyProbeWords));
  const double many = OCTET_TRY(length(many_words));
  const double a_word = (many - few) / static_cast<double>(many_words - kFewProbeWords);
  const double around = few - a_word * kFewProbeWords;  // of the template
  const double words = (static_cast<double>(tokens) - around) / a_word;
  if (!(a_word > 0) || words < 1)
    return Fail(ErrorCode::kInvalidArgument, "a prompt of one word has ", std::ceil(around + a_word),
                " tokens on this server, --prompt-tokens asks for ", tokens, "; ask for more");
  return static_cast<size_t>(std::lround(words));
}

double NextGap(uint64_t seed, size_t request, double rate) {
  // A lane of its own: words of prompts are drawn by the same seed.
  constexpr uint64_t kArrivalLane = 4;
  const double u = CounterRandom{.seed = seed}.Uniform(static_cast<uint32_t>(request), 0, kArrivalLane);
  return -std::log1p(-u) / rate;
}

LoadOutcome RunLoad(const LoadTarget& target, const LoadPrompts& prompts, const AskSettings& settings,
                    const LoadShape& shape, const CancelFlag& cancel, Progress& progress) {
  return LoadRun(settings, prompts, shape, cancel, progress).Run(target);
}

}  // namespace octet::serve
