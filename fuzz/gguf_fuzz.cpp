// Any bytes as a GGUF: refused with an error, or it opens as a checkpoint whose every tensor can be read.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A file in memory, since a checkpoint is opened by its path.
  const int descriptor = ::memfd_create("input", MFD_CLOEXEC);
  if (descriptor < 0) return 0;
  const bool written = ::write(descriptor, data, size) == static_cast<ssize_t>(size);
  const auto checkpoint = octet::Checkpoint::Open("/proc/self/fd/" + std::to_string(descriptor));
  if (written && checkpoint) {
    for (const octet::TensorInfo& info : checkpoint->tensors->tensors()) {
      std::vector<float> values(*octet::ElementCount(info.shape));
      const octet::Status read =
          checkpoint->tensors->ReadRows(info.name, 0, octet::RowCount(info.shape), values.data());
      if (!read) __builtin_trap();
    }
  }
  ::close(descriptor);
  return 0;
}
