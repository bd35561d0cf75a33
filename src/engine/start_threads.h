// The threads of an engine, tied to the nodes of the machine where that is wanted.
//
//   std::unique_ptr<ThreadPool> pool = OCTET_TRY(StartThreads(options.threads, options.numa));
#pragma once

#include <cstddef>
#include <memory>

#include "base/error.h"
#include "base/numa.h"
#include "base/thread_pool.h"

namespace octet {

// 0 threads: as many as the cores that this process may use, with kIsolate those of the node. On a machine with one
// node the mode changes nothing, which the log says; it warns of more threads than cores. Fails as ThreadPool and
// ReadNumaNodes do.
Result<std::unique_ptr<ThreadPool>> StartThreads(size_t threads, NumaMode mode);

}  // namespace octet
