// What a checkpoint's tensors leave open, settled as transformers does it, so that everyone else sees one form.
//
//   Checkpoint checkpoint = ...;             // config and tensors as the directory has them
//   OCTET_TRY(SettleTensors(checkpoint));
//
// - The base model saved alone (`layers.0...`, no tensor named `model.`): every name gets the prefix, but the head's.
// - A head that config.json ties to the embedding, or says nothing about, and a file that has both: where they differ,
//   the file's is kept and `tie_word_embeddings` becomes false.
// - An encoder: `bert.`, or what its family has, before its tensors where config.json names a class with a head, and
//   not else; `LayerNorm.gamma` and `.beta` are a norm's weight and bias.
// - A file with a head and no embedding: the head serves as both, and `tie_word_embeddings` becomes true.
#pragma once

#include "base/error.h"
#include "formats/checkpoint.h"

namespace octet {

// Requires checkpoint.tensors. Reads head and embedding once where they may be tied and both are there. Fails as
// reading them does.
Status SettleTensors(Checkpoint& checkpoint);

}  // namespace octet
