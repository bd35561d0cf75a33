#include "engine/start_threads.h"

#include <algorithm>
#include <vector>

#include "base/counted.h"
#include "base/log.h"

namespace octet {

Result<std::unique_ptr<ThreadPool>> StartThreads(size_t threads, NumaMode mode) {
  const size_t cores = ThreadPool::AvailableCores();
  if (threads > cores) {
    LogWarningOnce(Counted(threads, "thread"), " share the ", cores, cores == 1 ? " CPU" : " CPUs",
                   " that this process may use, and wait for each other; without --threads there is one for each");
  }
  if (mode == NumaMode::kOff) return ThreadPool::Start(threads == 0 ? cores : threads);
  const std::vector<NumaNode> nodes = UsableNodes(OCTET_TRY(ReadNumaNodes()));
  const int cpu = CurrentCpu();
  if (threads == 0 && mode == NumaMode::kIsolate && nodes.size() > 1)
    threads = std::min(cores, PlanThreads(nodes, mode, 1, cpu).front().size());
  std::unique_ptr<ThreadPool> pool = OCTET_TRY(ThreadPool::Start(threads == 0 ? cores : threads));
  OCTET_TRY(pool->Pin(PlanThreads(nodes, mode, pool->threads(), cpu)));
  if (nodes.size() < 2) {
    LogInfo("this machine has one node for the process: --numa changes nothing");
  } else {
    LogInfo(Counted(pool->threads(), "thread"), " on ", mode == NumaMode::kIsolate ? 1 : nodes.size(), " of ",
            Counted(nodes.size(), "node"));
  }
  return pool;
}

}  // namespace octet
