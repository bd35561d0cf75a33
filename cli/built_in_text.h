// A text that is in the program itself, so that a result can be measured where no file is at hand.
#pragma once

#include <string_view>

namespace octet::cli {

// The content of examples/perplexity.txt, in a file that cli/CMakeLists.txt makes.
extern const std::string_view kBuiltInText;

}  // namespace octet::cli
