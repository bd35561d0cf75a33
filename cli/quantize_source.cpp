#include "cli/quantize_source.h"

#include "models/decoded_checkpoint.h"
#include "models/hf_config.h"

namespace octet::cli {

Result<QuantizeSource> OpenQuantizeSource(const std::filesystem::path& model, bool requantize) {
  Checkpoint checkpoint = OCTET_TRY(Checkpoint::Open(model));
  if (!requantize) return QuantizeSource{std::move(checkpoint), ""};
  const ModelSpec spec = OCTET_TRY(ReadHfConfig(checkpoint.config, checkpoint.path.native()));
  std::optional<DecodedCheckpoint> decoded = OCTET_TRY(DecodeCheckpoint(checkpoint, spec));
  if (!decoded) {
    return Fail(ErrorCode::kInvalidArgument, model,
                ": isn't quantised, --requantize is for a model that is; leave it out");
  }
  return QuantizeSource{std::move(decoded->checkpoint), std::move(decoded->was)};
}

}  // namespace octet::cli
