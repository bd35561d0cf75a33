// How quickly the threads of a pool read memory together: what a decode step is held against.
//
//   ReadRate rate = OCTET_TRY(ReadRate::Create(bytes_of_a_step));
//   double bytes_per_second = rate.Measure(pool);
#pragma once

#include <memory>

#include "base/error.h"
#include "base/thread_pool.h"
#include "tensor/packed_matrix.h"

namespace octet {

class ReadRate {
 public:
  // Takes so many bytes, so that caches hold as large a part of them as of a step's, in huge pages where the system
  // gives them. Fails with exhausted where it has not so much.
  static Result<ReadRate> Create(size_t bytes);

  // Bytes a second, the best of at least three times through the memory, each thread through its share from end to end.
  double Measure(ThreadPool& pool) const;

 private:
  explicit ReadRate(std::shared_ptr<AlignedBuffer> buffer) : buffer_(std::move(buffer)) {}
  std::shared_ptr<AlignedBuffer> buffer_;
};

}  // namespace octet
