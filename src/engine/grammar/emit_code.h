// Writing a grammar's expressions as instructions; a part of CompileProgram.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "engine/grammar/program.h"

namespace octet::grammar {

// Fills code and entries. Fails with invalid_argument where there would be more instructions than the limit.
Status EmitCode(const Grammar& grammar, Program& program);

}  // namespace octet::grammar
