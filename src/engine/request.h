// One request to the engine, as token ids.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "octet/generate.h"

namespace octet {

namespace grammar {
class CompiledGrammar;  // engine/grammar/compiled_grammar.h
}

struct Request {
  std::vector<int32_t> prompt;
  GenerateOptions options;
  uint32_t number = 0;  // with the seed and the step, what the draws depend on
  // What the answer must look like; it ends where nothing may follow. Null allows any text.
  std::shared_ptr<grammar::CompiledGrammar> grammar = nullptr;
};

}  // namespace octet
