// Load on a server of OpenAI's API: so many requests at a time, or so many a second, and how long each took.
//
//   LoadTarget target = OCTET_TRY(LoadTarget::Open(url, {.key = key}, model, cancel));
//   LoadPrompts prompts = LoadPrompts::OfWords(OCTET_TRY(target.WordsFor(128, settings, seed, cancel)), seed);
//   LoadOutcome outcome = RunLoad(target, prompts, settings, {.rate = 2, .requests = 100}, cancel, progress);
//
// One thread does it all. A rate means arrivals at random, as many independent users make them (a Poisson process);
// they don't wait for answers, so that a server which can't keep up shows.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/error.h"
#include "base/progress.h"
#include "serve/load/load_client.h"
#include "serve/load/load_prompts.h"
#include "serve/load/load_stats.h"

namespace octet::serve {

// A server that was found, and what it calls its model.
struct LoadTarget {
  ServerUrl url;
  ClientOptions client;
  std::string model;

  // Takes the server's first model where none is named. Fails as LoadClient::AskAndWait does.
  static Result<LoadTarget> Open(ServerUrl url, ClientOptions client, std::string model, const CancelFlag& cancel);
  // How many words of LoadPrompts make a prompt of so many tokens, template and all, by asking the server for the
  // length of two prompts: right within some tokens, since words differ. Fails where it reports no usage, or where its
  // template alone is longer.
  Result<size_t> WordsFor(size_t tokens, const AskSettings& settings, uint64_t seed, const CancelFlag& cancel) const;
};

// How requests come. Ends with whichever of `requests` and `seconds` comes first; what is under way then is answered.
struct LoadShape {
  size_t concurrency = 1;           // each answer makes room for the next request
  std::optional<double> rate = {};  // a second, instead of concurrency
  std::optional<size_t> requests = {};
  std::optional<double> seconds = {};
  uint64_t seed = 0;
};

// Seconds between a request's arrival and that of the one before it, for arrivals at random at this rate: exponential,
// drawn for (seed, request).
// Source: the inverse of the exponential distribution's function, -ln(1 - u) / rate.
double NextGap(uint64_t seed, size_t request, double rate);

struct LoadOutcome {
  std::vector<LoadRecord> records;  // of what ended, in the order of ending
  size_t cut_off = 0;               // requests under way when the wish to stop came
};
LoadOutcome RunLoad(const LoadTarget& target, const LoadPrompts& prompts, const AskSettings& settings,
                    const LoadShape& shape, const CancelFlag& cancel, Progress& progress);

}  // namespace octet::serve
