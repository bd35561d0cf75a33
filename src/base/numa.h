// Nodes of a machine: cores with memory of their own, and which thread computes on which.
//
//   const std::vector<NumaNode> nodes = UsableNodes(OCTET_TRY(ReadNumaNodes()));
//   OCTET_TRY(pool->Pin(PlanThreads(nodes, NumaMode::kDistribute, pool->threads(), CurrentCpu())));
//
// A page lies on the node of the thread that writes to it first, so weights that each thread copies for itself are near
// it from then on. Threads that are tied: base/thread_pool.h.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace octet {

enum class NumaMode {
  kOff,         // threads run where the system puts them
  kDistribute,  // shared out over all nodes
  kIsolate,     // all on the node that the program was started on
};

struct NumaNode {
  int id = 0;
  std::vector<int> cpus;  // ascending; never empty
};

// "0-3,8,10-11" as ascending numbers, which an empty list has none of. Fails with corrupt for anything else, and for
// numbers of 2^16 and more.
Result<std::vector<int>> ParseCpuList(std::string_view text);

// Nodes by the files of `folder`, ascending; those without CPUs, which have memory alone, are left out. None where the
// system knows of no nodes. Fails with corrupt, naming the file.
Result<std::vector<NumaNode>> ReadNumaNodes(const std::filesystem::path& folder = "/sys/devices/system/node");

// The same with the CPUs that the calling thread may use alone.
std::vector<NumaNode> UsableNodes(std::vector<NumaNode> nodes);

// The CPU that the calling thread runs on just now; -1 where the system doesn't say.
int CurrentCpu();

// CPUs that each thread may run on: those of one node, neighbouring threads on the same, as many on each as it has CPUs
// among all. Empty, for no ties, with kOff and where there are fewer than two nodes.
std::vector<std::vector<int>> PlanThreads(const std::vector<NumaNode>& nodes, NumaMode mode, size_t threads,
                                          int current_cpu);

}  // namespace octet
