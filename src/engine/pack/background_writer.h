// Sections of a pack written on a thread of its own, while the caller makes what comes next.
//
//   BackgroundWriter background(writer);
//   OCTET_TRY(background.Write(first));     // returns at once; `first` is being written
//   ... make `second` in other memory ...
//   OCTET_TRY(background.Write(second));    // waits for `first`
//   OCTET_TRY(background.Finish());
//
// Between Write and the next call nobody else may use the writer.
#pragma once

#include <cstddef>
#include <future>
#include <span>

#include "base/error.h"
#include "formats/octet_pack.h"

namespace octet {

class BackgroundWriter {
 public:
  explicit BackgroundWriter(OctetPackWriter& writer) : writer_(writer) {}
  // Waits for what is being written.
  ~BackgroundWriter();
  BackgroundWriter(const BackgroundWriter&) = delete;
  BackgroundWriter& operator=(const BackgroundWriter&) = delete;

  // Appends to the open section. `bytes` must stay as they are until the next call. Fails as the write before does, and
  // as this one where the system starts no thread for it.
  Status Write(std::span<const std::byte> bytes);
  // Waits for the last write. Fails as it does.
  Status Finish();

 private:
  OctetPackWriter& writer_;
  std::future<Status> pending_;
};

}  // namespace octet
