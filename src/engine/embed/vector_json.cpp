#include "engine/embed/vector_json.h"

#include <array>
#include <charconv>

namespace octet {

Json VectorJson(std::span<const float> vector) {
  Json json = Json::array();
  for (const float value : vector) {
    // The double that the float's shortest digits name, rather than the float's own: it prints as these digits.
    std::array<char, 32> text;
    const char* end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
    double number = 0;
    std::from_chars(text.data(), end, number);
    json.push_back(number);
  }
  return json;
}

}  // namespace octet
