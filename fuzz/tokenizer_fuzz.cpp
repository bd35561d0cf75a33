// A tokenizer.json, then after a zero byte a text for it: whatever opens must encode and decode without harm.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "text/tokenizer.h"
#include "text/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t zero = input.find('\0');
  const std::string_view text = zero == std::string_view::npos ? "Hello \xFF 12" : input.substr(zero + 1);
  const octet::Result<octet::Tokenizer> tokenizer =
      octet::Tokenizer::FromJson(input.substr(0, zero), octet::Json(nullptr), "fuzz");
  if (!tokenizer) return 0;
  if (!octet::IsValidUtf8(tokenizer->Decode(tokenizer->Encode(text)))) __builtin_trap();
  return 0;
}
