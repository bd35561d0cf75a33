// Taking ^ and $ out of a regular expression; a part of ParseRegex.
#pragma once

#include <optional>

#include "base/error.h"
#include "engine/grammar/expression.h"

namespace octet::grammar {

// The expression `root`, all of whose nodes are `first` or later, without anchors. `any`: what may stand before and
// behind a match where no anchor is; absent, nothing may. Fails with unsupported for an anchor that isn't at an end.
Result<NodeId> PlaceAnchors(Grammar& grammar, NodeId first, NodeId root, std::optional<NodeId> any);

}  // namespace octet::grammar
