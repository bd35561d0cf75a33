#include "tests/cli/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <vector>

namespace octet::scenario {

std::string Content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}
namespace {

void Redirect(const std::filesystem::path& path, int flags, int descriptor) {
  const int file = ::open(path.c_str(), flags, 0600);
  if (file < 0 || ::dup2(file, descriptor) < 0) ::_exit(126);
  ::close(file);
}

// In the child; never returns.
[[noreturn]] void Execute(const Command& command, const std::filesystem::path& streams) {
  ::setpgid(0, 0);
  Redirect(streams / "stdin", O_RDONLY, STDIN_FILENO);
  Redirect(streams / "stdout", O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
  Redirect(streams / "stderr", O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
  if (::chdir(command.directory.c_str()) != 0) ::_exit(126);
  if (command.file_size_limit) {
    const rlimit limit = {*command.file_size_limit, *command.file_size_limit};
    ::signal(SIGXFSZ, SIG_IGN);
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(126);
  }
  std::vector<std::string> entries;
  for (const auto& [name, text] : command.environment) entries.push_back(name + "=" + text);
  std::vector<char*> environment;
  for (std::string& entry : entries) environment.push_back(entry.data());
  environment.push_back(nullptr);
  ::execle("/bin/sh", "sh", "-c", command.line.c_str(), nullptr, environment.data());
  ::_exit(127);
}

// Exit code of the child; kills its group when the time is over.
int Wait(pid_t child, int seconds, bool& timed_out) {
  int status = 0;
  for (int tick = 0; tick < seconds * 100; ++tick) {
    if (::waitpid(child, &status, WNOHANG) == child)
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    ::usleep(10000);
  }
  timed_out = true;
  ::kill(-child, SIGKILL);
  ::waitpid(child, &status, 0);
  return 128 + SIGKILL;
}

}  // namespace

Outcome RunCommand(const Command& command) {
  const std::filesystem::path streams = command.directory.parent_path() / "streams";
  std::filesystem::create_directories(streams);
  std::ofstream(streams / "stdin", std::ios::binary) << command.input;

  const pid_t child = ::fork();
  if (child == 0) Execute(command, streams);
  Outcome outcome;
  outcome.exit = Wait(child, command.seconds, outcome.timed_out);
  outcome.output = Content(streams / "stdout");
  outcome.errors = Content(streams / "stderr");
  return outcome;
}

}  // namespace octet::scenario
