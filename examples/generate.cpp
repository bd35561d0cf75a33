// Continues a prompt with a model, printing the text as it is made.
//
//   generate MODEL PROMPT [TOKENS]      MODEL is a Hugging Face directory, a .gguf or a .octet
//
// Built against an installed Octet: examples/CMakeLists.txt, or
//   c++ -std=c++20 generate.cpp $(pkg-config --cflags --libs octet) -o generate
#include <octet/model.h>
#include <octet/session.h>

#include <cstdio>
#include <cstdlib>

namespace {

int Complain(const octet::Error& error) {
  std::fprintf(stderr, "generate: %s\n", error.message.c_str());
  return 1;
}

}  // namespace

int main(int count, char** words) {
  if (count < 3) {
    std::fprintf(stderr, "use: generate MODEL PROMPT [TOKENS]\n");
    return 2;
  }
  const octet::Result<octet::Model> model = octet::Model::Open(words[1]);
  if (!model) return Complain(model.error());

  octet::GenerateOptions options = model->default_options();
  options.max_tokens = count > 3 ? std::strtoul(words[3], nullptr, 10) : 64;

  octet::Session session(*model);
  const auto print = [](std::string_view piece) {
    std::fwrite(piece.data(), 1, piece.size(), stdout);
    return std::fflush(stdout) == 0;  // a closed pipe ends the answer
  };
  const octet::Result<octet::GenerateResult> answer = session.Generate(words[2], options, print);
  if (!answer) return Complain(answer.error());

  std::fprintf(stderr, "\n%zu tokens, %.1f a second\n", answer->timings.generated_tokens, answer->timings.DecodeRate());
  return 0;
}
