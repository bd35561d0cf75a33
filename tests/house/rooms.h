// The order of the house, read from src/rooms.txt.
//
//   room NAME               a folder of src/ (or cli) that may include the ones above it
//   stage NAME -> A, B      the same, but of other stages only A and B
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace octet::house {

class Rooms {
 public:
  // Reads the lines; a stage that names an unknown one is refused by `problem()`.
  explicit Rooms(const std::vector<std::string>& lines);

  bool Knows(const std::string& room) const { return place_.contains(room); }
  const std::string& problem() const { return problem_; }

  // Whether a file of the room `from` may include one of `to`.
  bool MayInclude(const std::string& from, const std::string& to) const;

 private:
  std::map<std::string, size_t> place_;
  std::map<std::string, std::set<std::string>> edges_;  // of stages
  std::string problem_;
};

// The room that a file belongs to: of `src/nn/rope.h` and `tests/nn/rope_test.cpp` it is `nn`, of `cli/run.cpp` it is
// `cli`; empty for files that stand outside and may include all.
std::string RoomOfFile(const std::string& path);
// The room that an include leads to: of "nn/rope.h", "../nn/rope.h", "src/nn/rope.h" and "tests/nn/rope.h" it is `nn`;
// empty for system headers and those that stand outside.
std::string RoomOfInclude(const std::string& include, const Rooms& rooms);

}  // namespace octet::house
