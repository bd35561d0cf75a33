// Names picked by pattern: `*` stands for any run of characters, dots included, `?` for one character.
//
//   MatchesGlob("model.layers.*.mlp.down_proj", "model.layers.12.mlp.down_proj")   // true
#pragma once

#include <string_view>

namespace octet {

// Whether the pattern covers the whole name. Work: pattern.size() * name.size() at worst.
bool MatchesGlob(std::string_view pattern, std::string_view name);

}  // namespace octet
