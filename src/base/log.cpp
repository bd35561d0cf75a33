#include "base/log.h"

#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <utility>

namespace octet {
namespace {

constexpr int kSilent = 100;

struct Destination {
  std::mutex mutex;
  LogSink sink;
  std::set<std::string, std::less<>> once;  // what LogOnce gave this sink
  std::atomic<int> least{kSilent};
};

Destination& TheDestination() {
  static Destination destination;
  return destination;
}

}  // namespace

void SetLogSink(LogSink sink, LogLevel least) {
  Destination& destination = TheDestination();
  const std::lock_guard lock(destination.mutex);
  destination.least.store(sink ? static_cast<int>(least) : kSilent);
  destination.sink = std::move(sink);
  destination.once.clear();
}

bool LogWanted(LogLevel level) {
  return static_cast<int>(level) >= TheDestination().least.load(std::memory_order_relaxed);
}

void Log(LogLevel level, std::string_view message) {
  Destination& destination = TheDestination();
  const std::lock_guard lock(destination.mutex);
  if (destination.sink && LogWanted(level)) destination.sink(level, message);
}

void LogOnce(LogLevel level, std::string_view message) {
  Destination& destination = TheDestination();
  const std::lock_guard lock(destination.mutex);
  if (!destination.sink || !LogWanted(level)) return;
  if (destination.once.emplace(message).second) destination.sink(level, message);
}

}  // namespace octet
