// A grammar in GBNF, then after a zero byte a text for it: whatever compiles must run on any bytes within its limits.
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/grammar/grammar_source.h"
#include "fuzz/run_grammar.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  octet::RunGrammar(octet::GrammarSource::Kind::kGbnf, {reinterpret_cast<const char*>(data), size});
  return 0;
}
