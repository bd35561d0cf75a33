// A YAML file of options: any bytes are read or refused with a message.
#include <cstddef>
#include <cstdint>

#include "base/options_reader.h"

namespace {

struct Example {
  int number = 1;
  double share = 0.5;
  bool on = false;
  std::string load = "map";
  std::vector<int> threads;
  std::vector<std::string> stop;

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&Example::number, "number", "", octet::Between{1, 256});
    visit(&Example::share, "share", "");
    visit(&Example::on, "on", "");
    visit(&Example::load, "load", "", octet::OneOf{{"map", "copy"}});
    visit(&Example::threads, "threads", "");
    visit(&Example::stop, "stop", "");
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<octet::Option> list = octet::OptionList<Example>();
  Example options;
  const octet::Status read =
      octet::ReadYamlOptions({reinterpret_cast<const char*>(data), size}, "fuzz", list, &options);
  if (!read && read.error().message.empty()) __builtin_trap();
  return 0;
}
