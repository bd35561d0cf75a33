#include "engine/embed/encoder_loop.h"

#include <algorithm>
#include <utility>

namespace octet {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

// One bad input would else fail the pass that others share.
Status CheckInputs(const std::vector<EncoderInput>& inputs, const ModelSpec& spec) {
  if (inputs.empty()) return Fail(ErrorCode::kInvalidArgument, "the job has no inputs, at least 1 is expected");
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::vector<int32_t>& ids = inputs[i].ids;
    if (ids.empty() || ids.size() > spec.max_positions) {
      return Fail(ErrorCode::kInvalidArgument, "input ", i, " has ", ids.size(), " tokens, the model reads 1 to ",
                  spec.max_positions);
    }
    for (const int32_t id : ids) {
      if (id >= 0 && static_cast<size_t>(id) < spec.vocab) continue;
      return Fail(ErrorCode::kInvalidArgument, "input ", i, ": token id ", id, " is outside the vocabulary of ",
                  spec.vocab);
    }
    if (inputs[i].first_text < ids.size() && spec.encoder->type_vocab < 2) {
      return Fail(ErrorCode::kInvalidArgument, "input ", i, " is a pair of texts, the model reads one (",
                  spec.encoder->type_vocab, " type of tokens)");
    }
  }
  return {};
}

Result<std::vector<float>> Compute(Embedder& embedder, std::vector<EncoderInput>& inputs) {
  if (embedder.scores_pairs()) return embedder.Score(inputs);
  std::vector<std::vector<int32_t>> sequences;
  for (EncoderInput& input : inputs) sequences.push_back(std::move(input.ids));
  Embeddings embeddings = OCTET_TRY(embedder.EmbedTokens(sequences, {}));
  return std::move(embeddings.values);
}

}  // namespace

std::unique_ptr<EncoderLoop> EncoderLoop::Start(Embedder& embedder, const EncoderLoopOptions& options) {
  return std::unique_ptr<EncoderLoop>(new EncoderLoop(embedder, options));
}

EncoderLoop::EncoderLoop(Embedder& embedder, const EncoderLoopOptions& options)
    : embedder_(embedder), options_(options) {
  if (options_.pass_tokens == 0) options_.pass_tokens = EmbedderOptions().chunk * embedder.threads();
  thread_ = std::thread([this] { Run(); });
}

EncoderLoop::~EncoderLoop() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

Result<uint64_t> EncoderLoop::Submit(EncoderJob job, OnDone on_done) {
  OCTET_TRY(CheckInputs(job.inputs, embedder_.spec()));
  auto work = std::make_shared<Work>();
  for (const EncoderInput& input : job.inputs) work->tokens_left += input.ids.size();
  work->job = std::move(job);
  work->on_done = std::move(on_done);
  work->arrival = Clock::now();
  uint64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    const size_t jobs = stats_.jobs, tokens = stats_.tokens;
    const bool many = jobs >= options_.max_jobs;
    if (jobs > 0 && (many || tokens + work->tokens_left > options_.max_tokens)) {
      ++stats_.refused;
      if (many) {
        return Fail(ErrorCode::kExhausted, "the queue is full: ", jobs, " requests wait, ", options_.max_jobs,
                    " are allowed (max-waiting); try again later");
      }
      return Fail(ErrorCode::kExhausted, "the queue is full: texts of ", tokens, " tokens wait and ", work->tokens_left,
                  " more were sent, ", options_.max_tokens, " are allowed (max-waiting-tokens); try again later");
    }
    id = work->id = next_id_++;
    ++stats_.jobs;
    ++stats_.accepted;
    stats_.tokens += work->tokens_left;
    works_.push_back(std::move(work));
  }
  wake_.notify_one();
  return id;
}

void EncoderLoop::Cancel(uint64_t id) {
  {
    const std::lock_guard lock(mutex_);
    for (const std::shared_ptr<Work>& work : works_) {
      if (work->id == id) work->cancelled = true;
    }
  }
  wake_.notify_one();
}

void EncoderLoop::CancelAll() {
  {
    const std::lock_guard lock(mutex_);
    for (const std::shared_ptr<Work>& work : works_) work->cancelled = true;
  }
  wake_.notify_one();
}

EncoderStats EncoderLoop::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

// False where the loop is to end.
bool EncoderLoop::AwaitWork() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return ending_ || !works_.empty(); });
  return !ending_;
}

// Those that nobody waits for any more, out of the queue.
std::vector<std::shared_ptr<EncoderLoop::Work>> EncoderLoop::TakeEnded() {
  const Clock::time_point now = Clock::now();
  std::vector<std::shared_ptr<Work>> ended;
  const std::lock_guard lock(mutex_);
  std::erase_if(works_, [&](const std::shared_ptr<Work>& work) {
    const bool over = work->cancelled || ending_ || (work->job.deadline && *work->job.deadline <= now);
    if (over) ended.push_back(work);
    return over;
  });
  for (const std::shared_ptr<Work>& work : ended) Forget(*work);
  return ended;
}

// Requires the lock.
void EncoderLoop::Forget(const Work& work) {
  --stats_.jobs;
  stats_.tokens -= work.tokens_left;
}

// Who was served goes behind all others, also for the next pass.
EncoderLoop::Pass EncoderLoop::FillPass() {
  Pass pass;
  size_t tokens = 0;
  const std::lock_guard lock(mutex_);
  for (size_t served = 0; served < works_.size();) {
    const std::shared_ptr<Work> work = works_.front();
    const bool all_taken = work->next == work->job.inputs.size();
    if (!all_taken) {
      EncoderInput& input = work->job.inputs[work->next];
      if (!pass.inputs.empty() && tokens + input.ids.size() > options_.pass_tokens) break;
      tokens += input.ids.size();
      pass.inputs.push_back(std::move(input));
      pass.owners.emplace_back(work, work->next++);
      if (!work->queue_seconds) work->queue_seconds = Seconds(Clock::now() - work->arrival);
    }
    served = all_taken ? served + 1 : 0;
    works_.pop_front();
    works_.push_back(work);
  }
  return pass;
}

void EncoderLoop::RunPass(Pass& pass) {
  std::vector<size_t> tokens;
  for (const EncoderInput& input : pass.inputs) tokens.push_back(input.ids.size());
  const Result<std::vector<float>> values = Compute(embedder_, pass.inputs);
  std::vector<std::shared_ptr<Work>> finished;
  {
    const std::lock_guard lock(mutex_);
    ++stats_.passes;
    for (size_t i = 0; i < pass.owners.size(); ++i) {
      auto& [work, input] = pass.owners[i];
      if (values) {
        const size_t width = values->size() / pass.owners.size();
        work->values.resize(work->job.inputs.size() * width);
        std::copy_n(values->data() + i * width, width, work->values.data() + input * width);
      }
      work->tokens_left -= tokens[i];
      stats_.tokens -= tokens[i];
      stats_.tokens_done += tokens[i];
      ++stats_.inputs_done;
      if (++work->done == work->job.inputs.size() || !values) finished.push_back(work);
    }
    // A pass that failed has several inputs of a job.
    std::sort(finished.begin(), finished.end());
    finished.erase(std::unique(finished.begin(), finished.end()), finished.end());
    for (const std::shared_ptr<Work>& work : finished) {
      std::erase(works_, work);
      Forget(*work);
    }
  }
  for (const std::shared_ptr<Work>& work : finished) {
    if (values)
      Finish(*work, std::move(work->values), false);
    else
      Finish(*work, tl::unexpected(values.error()), false);
  }
}

void EncoderLoop::Finish(Work& work, Result<std::vector<float>> values, bool deadline_passed) {
  const double queue = work.queue_seconds.value_or(Seconds(Clock::now() - work.arrival));
  work.on_done({.values = std::move(values), .deadline_passed = deadline_passed, .queue_seconds = queue});
  work.on_done = nullptr;
}

void EncoderLoop::Run() {
  bool goes_on = true;
  while (goes_on) {
    goes_on = AwaitWork();
    for (const std::shared_ptr<Work>& work : TakeEnded()) {
      const bool deadline = !work->cancelled && work->job.deadline && *work->job.deadline <= Clock::now();
      Finish(*work,
             Fail(ErrorCode::kCancelled, deadline ? "the request's time was over before its texts were computed"
                                                  : "the request was ended before its texts were computed"),
             deadline);
    }
    if (!goes_on) break;
    Pass pass = FillPass();
    if (!pass.inputs.empty()) RunPass(pass);
  }
}

}  // namespace octet
