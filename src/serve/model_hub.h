// The models of a server: which are open, who may use them now, and when one is opened or closed.
//
//   ModelHub hub({.sources = sources, .open = open});
//   OCTET_TRY(hub.OpenFirst());
//   hub.With("assistant", ModelUse::kText, [](ApiResult<ModelLease> model) { ... });
//   hub.Close();
//
// One thread of its own opens and closes, one model at a time. A model that is asked for while it isn't open is opened,
// and who asked waits; where as many as may be are open, the one that nobody has used for longest goes. A model is
// closed only once no lease is left, so that whatever was accepted is answered. One that can't be opened is told to
// those who asked for it, and to the log; the others notice nothing.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "serve/api/api_error.h"
#include "serve/open_model.h"
#include "serve/running_model.h"

namespace octet::serve {

// What a request wants of a model; where it names none, the first that can do it answers.
enum class ModelUse { kAny, kText, kEncoding };

struct ModelHubOptions {
  std::vector<ModelSource> sources = {};
  std::function<Result<std::unique_ptr<RunningModel>>(const ModelSource&)> open = {};
  // Asked before another model has to go: for one that can't be opened none should. Empty: all can.
  std::function<Status(const ModelSource&)> check = {};
  size_t most_open = 4;
  double idle_seconds = 0;                     // after which a model that nobody uses is closed; 0: never
  size_t most_waiting = 256;                   // requests that wait for one model to be opened
  std::function<void(std::string)> note = {};  // a line for the log; empty: none. The hub's thread
};

// What GET /models tells of one.
struct ModelStatus {
  std::string name;
  std::vector<std::string> aliases, adapters;
  const char* state = "unloaded";  // "unloaded", "loading", "loaded", "unloading"
  bool failed = false;             // the last try to open it
  ModelLease lease;                // null unless it is loaded, or unloading and not gone yet
};

class ModelHub {
 public:
  using Then = std::function<void(ApiResult<ModelLease>)>;
  using Done = std::function<void(ApiResult<void>)>;

  explicit ModelHub(ModelHubOptions options);
  ~ModelHub() { Close(); }

  // A model that somebody else opened and keeps: it is never closed, and counts for no limit.
  void Add(OpenModel model);

  // Opens as many sources as may be open, in their order, and begins to answer With. Fails with the first error where
  // none could be opened. Blocks.
  Status OpenFirst();

  // Calls with a lease of the model with that name, or with an adapter of that name: at once where it is open, else
  // from the hub's thread. Fails with 404 for a name that is
  // none of the models', with 503 where too many wait or no room can be made, with 400 where the model can't be opened.
  void With(const std::optional<std::string>& name, ModelUse use, Then then);

  // Opens it, also where that failed a moment ago, and tells how that went, with the error's own words.
  void Load(const std::string& name, Done done);
  // No new leases from here on; closes it once none is left. Fails where it isn't open or isn't the hub's own.
  ApiResult<void> Unload(const std::string& name);

  std::vector<ModelStatus> List() const;
  // By name, alias or adapter. Fails with 404.
  ApiResult<ModelStatus> Find(const std::string& name) const;

  // Opens nothing more, tells those who wait that the server ends, and waits until all that was accepted is answered or
  // the time is reached; true where all is. Several times if need be.
  bool Drain(std::chrono::steady_clock::time_point until);
  // Ends what still runs, so that whoever waits for an answer is told. Drain first, so that nothing new begins.
  void CancelAll();
  // Closes all models without waiting for leases: their holders must not call any more.
  void Close();

 private:
  using Clock = std::chrono::steady_clock;
  enum class State { kUnloaded, kLoading, kLoaded, kUnloading };
  struct Entry {
    ModelSource source;
    State state = State::kUnloaded;
    bool is_fixed = false;
    std::unique_ptr<RunningModel> running = {};
    ModelLease lease = {};
    std::optional<bool> is_encoder = {};  // known once it was open
    std::optional<Error> error = {};      // of the last try to open it
    Clock::time_point failed_at = {}, used_at = {};
    std::vector<Then> waiting = {};
    std::vector<Done> told = {};
  };

  // All require the lock.
  Entry* Named(std::string_view name) const;
  // By its own names or those of its adapters.
  Entry* Answering(std::string_view name) const;
  Entry* Default(ModelUse use) const;
  ApiError NoSuchModel(std::string_view name) const;
  size_t OpenCount() const;
  Entry* LeastRecentlyUsed() const;
  ModelStatus StatusOf(const Entry& entry) const;
  void UnloadIdle();
  bool MayClose(const Entry& entry) const;
  // These let it go while they work.
  void Open(Entry& entry, std::unique_lock<std::mutex>& lock);
  bool MakeRoom(Entry& entry, std::unique_lock<std::mutex>& lock);
  void Fail(Entry& entry, const Error& error, std::unique_lock<std::mutex>& lock);
  void CloseOne(Entry& entry, std::unique_lock<std::mutex>& lock);
  void Answer(Entry& entry, const ApiResult<ModelLease>& result, const ApiResult<void>& told,
              std::unique_lock<std::mutex>& lock);
  void Run();
  void EndThread();
  void Note(const std::string& line) const;

  const ModelHubOptions options_;
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable wake_;
  std::vector<std::unique_ptr<Entry>> entries_;  // none is ever taken out
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace octet::serve
