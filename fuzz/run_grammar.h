// What the fuzz targets of grammars share.
#pragma once

#include <string_view>

#include "engine/grammar/grammar_source.h"
#include "engine/grammar/machine.h"

namespace octet {

// Compiles what stands before the first zero byte with small limits and walks the rest through it. A place from which
// no text can be completed would be a fault.
inline void RunGrammar(GrammarSource::Kind kind, std::string_view input) {
  const size_t zero = input.find('\0');
  const std::string_view text = zero == std::string_view::npos ? "{\"a\": [1, \"b\"]}" : input.substr(zero + 1);
  grammar::GrammarLimits limits;
  limits.nodes = 50'000;
  limits.instructions = 50'000;
  limits.places = 1'000;
  limits.steps = 1'000'000;
  const auto program = CompileSource({kind, std::string(input.substr(0, zero)), {}}, limits);
  if (!program) return;
  grammar::Machine machine(*program);
  grammar::StateId state = machine.Start();
  for (const char c : text) {
    machine.StartCount();
    const grammar::StateId next = machine.Next(state, static_cast<uint8_t>(c));
    if (next == grammar::kDead) break;
    if (!machine.accepts(next) && machine.places(next).empty()) __builtin_trap();
    state = next;
  }
}

}  // namespace octet
