// Where files and directories are written before they take their names: a hidden `.NAME.PID.partial`, or
// `.NAME.PID-2.partial` where that is taken, with less of a NAME that is too long for that.
//
//   RemoveLeftovers(directory, "model.octet");
//   Partial partial = CreatePartialFile(directory, "model.octet");
//   if (partial.descriptor < 0) ...  // errno says why
//
// Used by base/atomic_file.h and formats/staged_directory.h.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace octet {

// What nobody else has: processes may have the same number in different containers, so a partial is locked while it is
// in use, until its descriptor is closed, at the latest when the process ends.
struct Partial {
  std::filesystem::path path;
  int descriptor = -1;  // of a file for reading and writing, of a directory for nothing but the lock
};

Partial CreatePartialFile(const std::filesystem::path& directory, std::string_view name);
Partial CreatePartialDirectory(const std::filesystem::path& directory, std::string_view name);

// Whether `entry` is a partial of `name`, of any process.
bool IsPartialName(std::string_view entry, std::string_view name);

// Removes partials of `name` that a killed process left: it doesn't run here any more, and none in another container or
// on another host holds it. What can't be looked at or locked stays, and what `rescue`, if there is one, says false of.
void RemoveLeftovers(const std::filesystem::path& directory, std::string_view name,
                     const std::function<bool(const std::filesystem::path&)>& rescue = {});

}  // namespace octet
