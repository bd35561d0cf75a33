#include "tests/cli/scenario.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "tests/cli/expectation.h"
#include "tests/cli/process.h"

namespace octet::scenario {
namespace {

constexpr int kHold = 0, kDiffer = 1, kSkipped = 77;

// A temporary directory that is removed with everything in it.
class Directory {
 public:
  Directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "octet-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
    std::filesystem::create_directory(work());
  }
  ~Directory() {
    std::error_code ignored;  // a leftover in the system's temporary directory fails no test
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path work() const { return path_ / "work"; }

 private:
  std::filesystem::path path_;
};

std::string FirstWord(const std::string& line, std::string& rest) {
  const size_t end = line.find_first_of(" \t");
  const size_t begin = end == std::string::npos ? std::string::npos : line.find_first_not_of(" \t", end);
  rest = begin == std::string::npos ? "" : line.substr(begin);
  return line.substr(0, end);
}

std::string Indented(const std::string& text) {
  std::string out = "    ";
  for (const char letter : text) {
    out += letter;
    if (letter == '\n') out += "    ";
  }
  return out;
}

class Scenario {
 public:
  Scenario(const std::filesystem::path& file, const std::filesystem::path& program) : file_(file) {
    const std::filesystem::path tests = std::filesystem::path(OCTET_SOURCE_DIR) / "tests";
    for (const char* name : {"fixtures", "golden"})
      std::filesystem::create_directory_symlink(tests / name, directory_.work() / name);
    environment_ = {{"PATH", program.parent_path().string() + ":/usr/local/bin:/usr/bin:/bin"},
                    {"HOME", directory_.work().string()},
                    {"LC_ALL", "C.UTF-8"},
                    {"TERM", "dumb"}};
    // So that a forced tier and a sanitizer's options reach the program.
    for (const char* name : {"OCTET_CPU", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"}) {
      if (const char* text = std::getenv(name)) environment_[name] = text;
    }
    NewCommand();
  }

  int Run() {
    std::ifstream stream(file_);
    if (!stream) return Complain(0, "can't be read");
    for (std::string line; std::getline(stream, line);) {
      ++line_;
      const int code = Read(line);
      if (code == kSkipped) return kSkipped;
    }
    FinishRun();
    if (runs_ == 0) Complain(line_, "nothing is run");
    return failed_ ? kDiffer : kHold;
  }

 private:
  int Read(const std::string& line) {
    std::string rest;
    const std::string word = FirstWord(line, rest);
    if (word.empty() || word[0] == '#') return kHold;
    if (word == "|") return WriteLine(line);
    if (IsExpectation(word)) {
      if (pending_.line.empty()) return Complain(line_, "`" + word + "` stands before any run");
      expectations_.push_back({line_, word, rest});
      return kHold;
    }
    FinishRun();
    return Prepare(word, rest);
  }

  int Prepare(const std::string& word, const std::string& rest) {
    if (word == "run") {
      pending_ = command_;
      pending_.line = rest;
      run_line_ = line_;
      NewCommand();
    } else if (word == "setup") {
      return Setup(rest);
    } else if (word == "needs") {
      return Needs(rest);
    } else if (word == "write") {
      written_ = directory_.work() / rest;
      std::filesystem::create_directories(written_.parent_path());
      std::ofstream(written_, std::ios::trunc);
    } else if (word == "env") {
      environment_[rest.substr(0, rest.find('='))] = rest.substr(rest.find('=') + 1);
      command_.environment = environment_;
    } else if (word == "stdin") {
      command_.input += rest + "\n";
    } else if (word == "limit") {
      return Limit(rest);
    } else {
      return Complain(line_, "unknown word `" + word + "`");
    }
    return kHold;
  }

  int WriteLine(const std::string& line) {
    if (written_.empty()) return Complain(line_, "`|` needs a `write FILE` before it");
    std::ofstream(written_, std::ios::app) << (line.size() > 2 ? line.substr(2) : "") << "\n";
    return kHold;
  }

  int Limit(const std::string& rest) {
    std::string number;
    const std::string what = FirstWord(rest, number);
    if (what == "file-size")
      command_.file_size_limit = std::stoull(number);
    else if (what == "seconds")
      command_.seconds = std::stoi(number);
    else
      return Complain(line_, "unknown limit `" + what + "`");
    return kHold;
  }

  int Setup(const std::string& line) {
    Command command = command_;
    command.line = line;
    const Outcome outcome = RunCommand(command);
    if (outcome.exit == 0) return kHold;
    return Complain(
        line_, "setup failed with " + std::to_string(outcome.exit) + "\n" + Indented(outcome.output + outcome.errors));
  }

  int Needs(const std::string& line) {
    Command command = command_;
    command.line = line;
    if (RunCommand(command).exit == 0) return kHold;
    std::printf("%s:%d: skipped, needs `%s`\n", file_.c_str(), line_, line.c_str());
    return kSkipped;
  }

  void NewCommand() {
    command_ = {};
    command_.directory = directory_.work();
    command_.environment = environment_;
  }

  // Runs what the last `run` said and checks the lines behind it.
  void FinishRun() {
    if (pending_.line.empty()) return;
    ++runs_;
    const Outcome outcome = RunCommand(pending_);
    const std::vector<std::string> failures = Failures(expectations_, outcome, directory_.work(), run_line_);
    for (const std::string& failure : failures) std::printf("%s:%s\n", file_.c_str(), failure.c_str());
    if (!failures.empty()) {
      std::printf("  run: %s\n  exit: %d\n  stdout:\n%s\n  stderr:\n%s\n", pending_.line.c_str(), outcome.exit,
                  Indented(outcome.output).c_str(), Indented(outcome.errors).c_str());
      failed_ = true;
    }
    pending_ = {};
    expectations_.clear();
  }

  int Complain(int line, const std::string& what) {
    std::printf("%s:%d: %s\n", file_.c_str(), line, what.c_str());
    failed_ = true;
    return kDiffer;
  }

  Directory directory_;
  std::filesystem::path file_;
  std::map<std::string, std::string> environment_;
  Command command_;  // of the next run
  Command pending_;  // of the run whose expectations are being read
  std::vector<Expectation> expectations_;
  std::filesystem::path written_;
  int line_ = 0;
  int run_line_ = 0;
  int runs_ = 0;
  bool failed_ = false;
};

}  // namespace

int RunScenario(const std::filesystem::path& file, const std::filesystem::path& program) {
  return Scenario(file, program).Run();
}

}  // namespace octet::scenario

int main(int count, char** words) {
  if (count != 3) {
    std::fprintf(stderr, "use: scenario_runner FILE.test path/to/octet\n");
    return 2;
  }
  return octet::scenario::RunScenario(words[1], words[2]);
}
