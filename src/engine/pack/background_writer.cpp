#include "engine/pack/background_writer.h"

#include <system_error>

namespace octet {

BackgroundWriter::~BackgroundWriter() {
  if (pending_.valid()) pending_.wait();
}

Status BackgroundWriter::Write(std::span<const std::byte> bytes) {
  OCTET_TRY(Finish());
  try {
    pending_ = std::async(std::launch::async, [this, bytes] { return writer_.Write(bytes); });
  } catch (const std::system_error&) {
    return writer_.Write(bytes);  // no thread is to be had
  }
  return {};
}

Status BackgroundWriter::Finish() { return pending_.valid() ? pending_.get() : Status(); }

}  // namespace octet
