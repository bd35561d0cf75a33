// The tile kernels on any machine: the same loops and packing, the tile instructions in plain C++ as the manual has
// them.
//
//   const KernelTable& twin = TileTwin();  // equal to the tier amx bit by bit
#pragma once

#include "kernels/kernel_table.h"

namespace octet::kernels {

const KernelTable& TileTwin();

}  // namespace octet::kernels
