// What becomes of a process whose mapped file is cut by another process, or can't be read from its disk any more: the
// system raises SIGBUS at the access, which ends a process without a word.
//
//   ReportCutFiles("octet", /*exit_code=*/1);  // in main; a library has no business with signals
//
// MappedFile notes what it maps, whether a program wants this or not.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace octet {

// From here on such an access writes one line to stderr, which names the file and says what was found, and ends the
// process by _exit(exit_code): nothing can go on with half a tensor, and no destructor runs. A SIGBUS of another origin
// goes to whoever had it before, by default to the system. `program` opens the line and must outlive the process' work.
void ReportCutFiles(std::string_view program, int exit_code);

// That the bytes are those of the file whose status it is, until ForgetMapped, which comes before they are unmapped.
// From any thread.
void NoteMapped(std::span<const std::byte> bytes, const std::filesystem::path& path, const struct stat& status);
void ForgetMapped(const std::byte* data);

}  // namespace octet
