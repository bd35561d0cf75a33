#include "tests/house/rooms.h"

#include <filesystem>
#include <iterator>
#include <sstream>

namespace octet::house {

Rooms::Rooms(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string kind, name, arrow;
    words >> kind >> name >> arrow;
    if ((kind != "room" && kind != "stage") || name.empty() || Knows(name)) problem_ = "can't read `" + line + "`";
    const size_t place = place_.size();
    place_[name] = place;
    if (kind != "stage") continue;
    std::set<std::string>& edges = edges_[name];
    for (std::string target; words >> target;) {
      if (target.back() == ',') target.pop_back();
      if (!edges_.contains(target)) problem_ = "`" + target + "` of `" + line + "` is no stage above it";
      edges.insert(target);
    }
  }
}

bool Rooms::MayInclude(const std::string& from, const std::string& to) const {
  if (from == to) return true;
  if (!Knows(from) || !Knows(to) || place_.at(from) < place_.at(to)) return false;
  const auto stage = edges_.find(from);
  return stage == edges_.end() || !edges_.contains(to) || stage->second.contains(to);
}

std::string RoomOfFile(const std::string& path) {
  std::istringstream parts(path);
  std::string top, room;
  std::getline(parts, top, '/');
  if (top == "cli") return "cli";
  std::getline(parts, room, '/');
  return top == "src" || top == "tests" ? room : "";
}

std::string RoomOfInclude(const std::string& include, const Rooms& rooms) {
  const std::filesystem::path normal = std::filesystem::path(include).lexically_normal();
  auto part = normal.begin();
  while (part != normal.end() && (*part == ".." || *part == "src" || *part == "tests")) ++part;
  if (part == normal.end() || std::next(part) == normal.end()) return "";
  return rooms.Knows(*part) ? part->string() : "";
}

}  // namespace octet::house
