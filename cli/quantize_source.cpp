#include "cli/quantize_source.h"

#include "base/log.h"
#include "models/decoded_checkpoint.h"
#include "models/hf_config.h"

namespace octet::cli {

Result<QuantizeSource> OpenQuantizeSource(const std::filesystem::path& model, bool requantize) {
  Checkpoint checkpoint = OCTET_TRY(Checkpoint::Open(model));
  if (!requantize && !checkpoint.config.contains("quantization_config"))
    return QuantizeSource{std::move(checkpoint), ""};
  const ModelSpec spec = OCTET_TRY(ReadHfConfig(checkpoint.config, checkpoint.path.native()));
  std::optional<DecodedCheckpoint> decoded = OCTET_TRY(DecodeCheckpoint(checkpoint, spec));
  const bool holds_codes = decoded && decoded->matrices > 0;
  if (requantize && !holds_codes) {
    return Fail(ErrorCode::kInvalidArgument, model, ": isn't quantised",
                decoded ? Cat(" (no tensor holds codes, whatever its ", decoded->was, " configuration says)") : "",
                ", --requantize is for a model that is; leave it out");
  }
  if (!requantize && holds_codes) return QuantizeSource{std::move(checkpoint), ""};
  if (!holds_codes) {
    LogWarning(model, ": its configuration says that it is quantised (", decoded->was,
               "), no tensor holds codes: it is read as one of floats");
  }
  return QuantizeSource{std::move(decoded->checkpoint), holds_codes ? std::move(decoded->was) : ""};
}

}  // namespace octet::cli
