#include "serve/model_hub.h"

#include <algorithm>
#include <utility>

#include "base/cat.h"

namespace octet::serve {
namespace {

// A model that couldn't be opened isn't tried again at once for whoever asks: a broken one would keep the disk busy.
constexpr std::chrono::seconds kRetryPause{10};
constexpr std::chrono::milliseconds kLookForLeases{5};
constexpr std::chrono::milliseconds kLookForIdle{200};
constexpr std::chrono::milliseconds kPatience{500};

ApiError EndingError() { return StatusError(503, "the server is ending and takes no new requests"); }

// What a client may know: paths and reasons stand in the log.
ApiError OpenFailed(const std::string& name, const Error& error) {
  if (error.code == ErrorCode::kExhausted)
    return StatusError(503, Cat("there is no memory for the model `", name, "` now; try again later"));
  ApiError failure = WrongField("model", Cat("the model `", name, "` can't be loaded; the server's log says why"));
  failure.code = "model_load_failed";
  return failure;
}

}  // namespace

ModelHub::ModelHub(ModelHubOptions options) : options_(std::move(options)) {
  for (const ModelSource& source : options_.sources) {
    entries_.push_back(std::make_unique<Entry>());
    entries_.back()->source = source;
  }
}

void ModelHub::Note(const std::string& line) const {
  if (options_.note) options_.note(line);
}

void ModelHub::Add(OpenModel model) {
  auto entry = std::make_unique<Entry>();
  entry->source = {.name = model.model.name, .aliases = model.model.aliases};
  entry->state = State::kLoaded;
  entry->is_fixed = true;
  entry->is_encoder = model.encoder != nullptr;
  entry->lease = std::make_shared<const OpenModel>(std::move(model));
  const std::lock_guard lock(mutex_);
  entries_.push_back(std::move(entry));
}

Status ModelHub::OpenFirst() {
  std::unique_lock lock(mutex_);
  std::optional<Error> first_error;
  for (const std::unique_ptr<Entry>& entry : entries_) {
    if (entry->is_fixed || closing_ || OpenCount() >= options_.most_open) continue;
    entry->state = State::kLoading;
    Open(*entry, lock);
    if (entry->error && !first_error) first_error = entry->error;
  }
  if (first_error && OpenCount() == 0) return tl::unexpected(*first_error);
  if (!closing_) thread_ = std::thread([this] { Run(); });
  return {};
}

ModelHub::Entry* ModelHub::Named(std::string_view name) const {
  for (const std::unique_ptr<Entry>& entry : entries_) {
    const std::vector<std::string>& aliases = entry->source.aliases;
    if (entry->source.name == name || std::find(aliases.begin(), aliases.end(), name) != aliases.end())
      return entry.get();
  }
  return nullptr;
}

ModelHub::Entry* ModelHub::Answering(std::string_view name) const {
  if (Entry* entry = Named(name)) return entry;
  for (const std::unique_ptr<Entry>& entry : entries_) {
    const std::vector<AdapterSource>& adapters = entry->source.adapters;
    const auto has_name = [&](const AdapterSource& adapter) { return adapter.name == name; };
    if (std::any_of(adapters.begin(), adapters.end(), has_name)) return entry.get();
  }
  return nullptr;
}

// The first that is known to do it, else the first of which nothing is known yet, else the first, which then says so.
ModelHub::Entry* ModelHub::Default(ModelUse use) const {
  if (entries_.empty()) return nullptr;
  Entry* unknown = nullptr;
  for (const std::unique_ptr<Entry>& entry : entries_) {
    if (use == ModelUse::kAny) return entry.get();
    if (entry->is_encoder == (use == ModelUse::kEncoding)) return entry.get();
    if (!entry->is_encoder && unknown == nullptr) unknown = entry.get();
  }
  return unknown != nullptr ? unknown : entries_.front().get();
}

ApiError ModelHub::NoSuchModel(std::string_view name) const {
  ApiError error = WrongField("model", Cat("there is no model `", name.substr(0, 200), "` here; `",
                                           entries_.empty() ? std::string() : entries_.front()->source.name,
                                           "` is served, GET /v1/models lists all names"));
  error.status = 404;
  error.code = "model_not_found";
  return error;
}

size_t ModelHub::OpenCount() const {
  return static_cast<size_t>(
      std::count_if(entries_.begin(), entries_.end(), [](const auto& entry) { return entry->running != nullptr; }));
}

bool ModelHub::MayClose(const Entry& entry) const { return entry.running != nullptr && entry.lease.use_count() == 1; }

ModelHub::Entry* ModelHub::LeastRecentlyUsed() const {
  Entry* found = nullptr;
  for (const std::unique_ptr<Entry>& entry : entries_) {
    if (MayClose(*entry) && (found == nullptr || entry->used_at < found->used_at)) found = entry.get();
  }
  return found;
}

void ModelHub::With(const std::optional<std::string>& name, ModelUse use, Then then) {
  std::unique_lock lock(mutex_);
  Entry* entry = name && !name->empty() ? Answering(*name) : Default(use);
  ApiResult<ModelLease> result = ModelLease();
  if (entry == nullptr) {
    result = tl::unexpected(NoSuchModel(name.value_or("")));
  } else if (entry->state == State::kLoaded) {
    entry->used_at = Clock::now();
    result = entry->lease;
  } else if (closing_) {
    result = tl::unexpected(EndingError());
  } else if (entry->error && Clock::now() - entry->failed_at < kRetryPause) {
    result = tl::unexpected(OpenFailed(entry->source.name, *entry->error));
  } else if (entry->waiting.size() >= options_.most_waiting) {
    result = tl::unexpected(
        StatusError(503, Cat("the queue is full: ", entry->waiting.size(), " requests wait for the model `",
                             entry->source.name, "` to be loaded; try again later")));
  } else {
    entry->waiting.push_back(std::move(then));
    if (entry->state == State::kUnloaded) entry->state = State::kLoading;
    return wake_.notify_one();
  }
  lock.unlock();
  then(std::move(result));
}

void ModelHub::Load(const std::string& name, Done done) {
  std::unique_lock lock(mutex_);
  Entry* entry = Named(name);
  if (entry != nullptr && entry->state != State::kLoaded && !closing_) {
    entry->told.push_back(std::move(done));
    if (entry->state == State::kUnloaded) entry->state = State::kLoading;
    return wake_.notify_one();
  }
  ApiResult<void> result;
  if (entry == nullptr)
    result = tl::unexpected(NoSuchModel(name));
  else if (entry->state != State::kLoaded)
    result = tl::unexpected(EndingError());
  lock.unlock();
  done(std::move(result));
}

ApiResult<void> ModelHub::Unload(const std::string& name) {
  const std::lock_guard lock(mutex_);
  Entry* entry = Named(name);
  if (entry == nullptr) return tl::unexpected(NoSuchModel(name));
  if (entry->is_fixed)
    return tl::unexpected(
        WrongField("model", Cat("the model `", name.substr(0, 200), "` stays as long as the server")));
  if (entry->state == State::kUnloading) return {};
  if (entry->state != State::kLoaded)
    return tl::unexpected(WrongField("model", Cat("the model `", name.substr(0, 200), "` isn't loaded")));
  entry->state = State::kUnloading;
  wake_.notify_one();
  return {};
}

ModelStatus ModelHub::StatusOf(const Entry& entry) const {
  static constexpr const char* kNames[] = {"unloaded", "loading", "loaded", "unloading"};
  ModelStatus status{.name = entry.source.name,
                     .aliases = entry.source.aliases,
                     .adapters = {},
                     .state = kNames[static_cast<size_t>(entry.state)],
                     .failed = entry.error.has_value(),
                     .lease = entry.lease};
  for (const AdapterSource& adapter : entry.source.adapters) status.adapters.push_back(adapter.name);
  return status;
}

std::vector<ModelStatus> ModelHub::List() const {
  const std::lock_guard lock(mutex_);
  std::vector<ModelStatus> list;
  for (const std::unique_ptr<Entry>& entry : entries_) list.push_back(StatusOf(*entry));
  return list;
}

ApiResult<ModelStatus> ModelHub::Find(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const Entry* entry = Answering(name);
  if (entry == nullptr) return tl::unexpected(NoSuchModel(name));
  return StatusOf(*entry);
}

// Tells all who wait for the model.
void ModelHub::Answer(Entry& entry, const ApiResult<ModelLease>& result, const ApiResult<void>& told,
                      std::unique_lock<std::mutex>& lock) {
  std::vector<Then> waiting = std::exchange(entry.waiting, {});
  std::vector<Done> done = std::exchange(entry.told, {});
  lock.unlock();
  for (const Then& then : waiting) then(result);
  for (const Done& tell : done) tell(told);
  waiting.clear();
  done.clear();
  lock.lock();
}

void ModelHub::Fail(Entry& entry, const Error& error, std::unique_lock<std::mutex>& lock) {
  Note(Cat("model `", entry.source.name, "`: ", error.message));
  entry.state = State::kUnloaded;
  entry.error = error;
  entry.failed_at = Clock::now();
  const ApiError of_client = OpenFailed(entry.source.name, error);
  ApiError of_administrator = of_client;
  of_administrator.message = error.message;
  Answer(entry, tl::unexpected(of_client), tl::unexpected(of_administrator), lock);
}

// False where the model can't be opened, which everybody has been told then.
bool ModelHub::MakeRoom(Entry& entry, std::unique_lock<std::mutex>& lock) {
  if (OpenCount() < options_.most_open) return true;
  if (options_.check) {
    lock.unlock();
    const Status can_open = options_.check(entry.source);
    lock.lock();
    if (!can_open) return Fail(entry, can_open.error(), lock), false;
  }
  // An answer's lease goes some moments after its last byte.
  const Clock::time_point until = Clock::now() + kPatience;
  while (OpenCount() >= options_.most_open) {
    Entry* idle = LeastRecentlyUsed();
    if (idle == nullptr && !closing_ && Clock::now() < until) {
      wake_.wait_for(lock, kLookForLeases);
      continue;
    }
    if (idle == nullptr) {
      const ApiError busy = StatusError(
          503, Cat("all ", options_.most_open, " models that may be loaded are answering; try again later"));
      entry.state = State::kUnloaded;
      return Answer(entry, tl::unexpected(busy), tl::unexpected(busy), lock), false;
    }
    CloseOne(*idle, lock);
  }
  return true;
}

void ModelHub::Open(Entry& entry, std::unique_lock<std::mutex>& lock) {
  if (!MakeRoom(entry, lock)) return;
  lock.unlock();
  Result<std::unique_ptr<RunningModel>> opened = options_.open(entry.source);
  lock.lock();
  if (!opened) return Fail(entry, opened.error(), lock);
  Note(Cat("model `", entry.source.name, "`: ", (*opened)->Summary()));
  entry.error.reset();
  entry.state = State::kLoaded;
  entry.used_at = Clock::now();
  entry.running = std::move(*opened);
  entry.lease = std::make_shared<const OpenModel>(entry.running->open());
  entry.is_encoder = entry.lease->encoder != nullptr;
  const ApiResult<ModelLease> lease = entry.lease;
  Answer(entry, lease, {}, lock);
}

// Requires MayClose. Freeing gigabytes takes its time: nobody waits for the lock meanwhile.
void ModelHub::CloseOne(Entry& entry, std::unique_lock<std::mutex>& lock) {
  entry.state = State::kUnloading;
  entry.lease.reset();
  std::unique_ptr<RunningModel> running = std::move(entry.running);
  lock.unlock();
  running.reset();
  Note(Cat("model `", entry.source.name, "`: unloaded"));
  lock.lock();
  // Who asked while it went wants it back.
  entry.state = entry.waiting.empty() && entry.told.empty() ? State::kUnloaded : State::kLoading;
}

void ModelHub::UnloadIdle() {
  if (options_.idle_seconds <= 0) return;
  for (const std::unique_ptr<Entry>& entry : entries_) {
    if (entry->state != State::kLoaded || entry->is_fixed) continue;
    if (entry->lease.use_count() > 1)
      entry->used_at = Clock::now();
    else if (std::chrono::duration<double>(Clock::now() - entry->used_at).count() >= options_.idle_seconds)
      entry->state = State::kUnloading;
  }
}

void ModelHub::Run() {
  std::unique_lock lock(mutex_);
  while (!closing_) {
    UnloadIdle();
    bool unloading = false, worked = false;
    for (size_t i = 0; i < entries_.size() && !closing_; ++i) {
      Entry& entry = *entries_[i];
      if (entry.state == State::kUnloading && MayClose(entry)) CloseOne(entry, lock), worked = true;
      if (entry.state == State::kLoading) Open(entry, lock), worked = true;
      unloading = unloading || entry.state == State::kUnloading;
    }
    if (worked || closing_) continue;
    if (unloading)
      wake_.wait_for(lock, kLookForLeases);
    else if (options_.idle_seconds > 0)
      wake_.wait_for(lock, kLookForIdle);
    else
      wake_.wait(lock);
  }
}

// Tells all who wait: nobody else would.
void ModelHub::EndThread() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  std::unique_lock lock(mutex_);
  for (const std::unique_ptr<Entry>& entry : entries_)
    Answer(*entry, tl::unexpected(EndingError()), tl::unexpected(EndingError()), lock);
}

bool ModelHub::Drain(Clock::time_point until) {
  EndThread();
  bool all = true;
  for (const ModelStatus& model : List()) {
    if (!model.lease) continue;
    if (model.lease->loop != nullptr) all = model.lease->loop->Drain(until) && all;
    if (model.lease->encoder == nullptr) continue;
    while (model.lease->encoder->stats().jobs > 0 && Clock::now() < until) std::this_thread::sleep_for(kLookForLeases);
    all = all && model.lease->encoder->stats().jobs == 0;
  }
  return all;
}

void ModelHub::CancelAll() {
  for (const ModelStatus& model : List()) {
    if (!model.lease) continue;
    if (model.lease->loop != nullptr) model.lease->loop->CancelAll();
    if (model.lease->encoder != nullptr) model.lease->encoder->CancelAll();
  }
}

void ModelHub::Close() {
  EndThread();
  std::vector<std::unique_ptr<RunningModel>> running;
  const std::lock_guard lock(mutex_);
  for (const std::unique_ptr<Entry>& entry : entries_) {
    if (entry->is_fixed) continue;
    entry->state = State::kUnloaded;
    entry->lease.reset();
    running.push_back(std::move(entry->running));
  }
}

}  // namespace octet::serve
