// Scenario files: what a user types and sees, as text. Each *.test file runs in a fresh temporary directory.
//
//   # A recipe that does not exist is refused with the nearest one.
//   run    octet quantize fixtures/tiny-bf16 --to nvpf4 -o t
//   exit   2
//   stderr octet quantize: no recipe `nvpf4`; did you mean `nvfp4`? `octet quantize --list` shows all 14
//
// Before a run:
//   setup COMMAND          a shell line that must succeed; makes fixtures
//   write FILE             makes a file of the following lines that begin with `| `
//   env NAME=TEXT          for all runs from here on; the environment is otherwise empty but for PATH, HOME, LC_ALL,
//   TERM stdin TEXT             a line of standard input of the next run; may be repeated limit file-size BYTES  for
//   the next run: a write beyond fails as on a full disk limit seconds N        the next run is killed after N seconds
//   (60 unless told) needs COMMAND          the file is skipped, with this line as the reason, where the shell command
//   fails
// run COMMAND              a line for /bin/sh; `octet` is the program built, fixtures/ is tests/fixtures, golden/ is
// tests/golden After a run (in any order; exit is checked always and is 0 unless told):
//   exit N
//   stdout LINE            all such lines together are the whole output; a bare `stdout` means an empty one
//   stdout~ PATTERN        some line matches the regular expression
//   stdout* TEXT           some line contains the text
//   stdout! TEXT           no line contains the text
//   stderr, stderr~, stderr*, stderr!
//   json POINTER VALUE     in the JSON on stdout, as in `json /tokens/0 42`; VALUE `number`, `text`, `list`, `object`
//   or `bool` is a type file PATH | absent PATH same PATH PATH         two files have the same bytes
#pragma once

#include <filesystem>
#include <string>

namespace octet::scenario {

// Runs the file and prints each expectation that failed as `file:line: what`. 0: all hold; 1: some don't; 77: skipped.
int RunScenario(const std::filesystem::path& file, const std::filesystem::path& program);

}  // namespace octet::scenario
