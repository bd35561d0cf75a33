// GET /metrics: what a server counts, as Prometheus reads it. Names and labels of the engine's figures are vLLM's, so
// that its dashboards and scalers fit; what only Octet has begins with octet_.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/embed/encoder_loop.h"
#include "engine/schedule/loop_stats.h"

namespace octet::serve {

// Requests by path and status, as the transport saw them. From any thread.
class RequestCounts {
 public:
  // `path` is one of the server's own, or "other": a client must not make new ones up.
  void Add(std::string_view path, int status, bool gone);

  std::map<std::pair<std::string, int>, uint64_t> finished() const;
  uint64_t disconnects() const { return disconnects_; }

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, uint64_t> finished_;
  std::atomic<uint64_t> disconnects_{0};
};

// What one model did; one of the two is there while it is loaded.
struct ModelFigures {
  std::string name;
  bool loaded = false;
  std::optional<LoopStats> engine = {};
  std::optional<EncoderStats> encoder = {};
  std::vector<std::pair<uint64_t, std::string>> adapters = {};  // numbers and names
  double load_seconds = 0;
  std::string tier = {};  // of kernels
};

struct MetricsSource {
  std::vector<ModelFigures> models = {};
  const RequestCounts& requests;
  size_t connections = 0;
};

// The text of the reply, in Prometheus' format 0.0.4.
std::string MetricsText(const MetricsSource& source);

}  // namespace octet::serve
