#include "formats/encoder_names.h"

#include <algorithm>
#include <array>

#include "base/cat.h"

namespace octet {
namespace {

constexpr std::array<EncoderNames, 4> kEncoderNames = {{{"bert", "Bert", "bert."},
                                                        {"mpnet", "MPNet", "mpnet."},
                                                        {"roberta", "Roberta", "roberta."},
                                                        {"xlm-roberta", "XLMRoberta", "roberta."}}};

// The first class that config.json names; null where it names none.
const Json* FirstClass(const Json& config) {
  const Json* architectures = FindMember(config, "architectures");
  const bool has_class = architectures != nullptr && architectures->is_array() && !architectures->empty();
  return has_class ? &architectures->front() : nullptr;
}

}  // namespace

const EncoderNames* FindEncoderNames(const Json& config) {
  const Json* type = FindMember(config, "model_type");
  if (type == nullptr) return nullptr;
  const auto* found = std::find_if(kEncoderNames.begin(), kEncoderNames.end(),
                                   [&](const EncoderNames& names) { return *type == names.model_type; });
  return found == kEncoderNames.end() ? nullptr : found;
}

bool IsEncoderClass(const Json& config, std::string_view ending) {
  const EncoderNames* names = FindEncoderNames(config);
  const Json* own = FirstClass(config);
  return names != nullptr && own != nullptr && *own == Cat(names->class_name, ending);
}

std::string EncoderPrefix(const Json& config) {
  const EncoderNames* names = FindEncoderNames(config);
  const bool is_base = FirstClass(config) == nullptr || IsEncoderClass(config, "Model");
  return names == nullptr || is_base ? std::string() : std::string(names->prefix);
}

}  // namespace octet
