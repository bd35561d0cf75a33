// One request to the engine, as token ids.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/speculate/drafter.h"
#include "octet/generate.h"

namespace octet {

class Adapter;  // models/adapter.h

namespace grammar {
class CompiledGrammar;  // engine/grammar/compiled_grammar.h
}

struct Request {
  std::vector<int32_t> prompt;
  GenerateOptions options;
  uint32_t number = 0;  // with the seed and the step, what the draws depend on
  // What the answer must look like; it ends where nothing may follow. Null allows any text.
  std::shared_ptr<grammar::CompiledGrammar> grammar = nullptr;
  // What the model's layers have added for this request; bound to the engine's spec. Null: the model as it is.
  std::shared_ptr<const Adapter> adapter = nullptr;
  // Guesses in place of the n-grams that the engine may look up; each choice has one. Null: as the engine's options
  // say.
  MakeDrafter make_drafter = nullptr;
};

}  // namespace octet
