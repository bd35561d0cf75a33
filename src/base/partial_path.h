// Where files and directories are written before they take their names: a hidden `.NAME.PID.partial`,
// with less of a NAME that is too long for that.
//
//   RemoveLeftovers(directory, "model.octet");
//   fs::path partial = directory / PartialName("model.octet");
//
// Used by base/atomic_file.h and formats/staged_directory.h.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace octet {

// Of this process.
std::string PartialName(std::string_view name);

// Whether `entry` is a partial of `name`, of any process.
bool IsPartialName(std::string_view entry, std::string_view name);

// Says to others that what is open here is in use until the descriptor is closed, at the latest when the process ends.
void MarkInUse(int descriptor);

// Removes partials of `name` that a killed process left: it doesn't run here any more, and none in another container or
// on another host holds it (MarkInUse). What can't be looked at stays.
void RemoveLeftovers(const std::filesystem::path& directory, std::string_view name);

}  // namespace octet
