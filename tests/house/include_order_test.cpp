// A folder includes only folders above it in src/rooms.txt, in tests too; public headers stand alone.
#include <gtest/gtest.h>

#include <fstream>

#include "tests/house/rooms.h"
#include "tests/house/sources.h"

namespace octet::house {
namespace {

Rooms ReadRooms() {
  std::ifstream stream(Root() / "src/rooms.txt");
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return Rooms(lines);
}

// One line per include that goes backward.
std::string Backward(const SourceFile& file, const Rooms& rooms) {
  std::string out;
  const std::string from = RoomOfFile(file.path);
  if (!rooms.Knows(from)) return out;
  for (const Include& include : IncludesOf(file)) {
    const std::string to = RoomOfInclude(include.path, rooms);
    if (to.empty() || rooms.MayInclude(from, to)) continue;
    out += file.path + ":" + std::to_string(include.line) + ": `" + from + "` may not include `" + include.path + "`\n";
  }
  return out;
}

TEST(Rooms, AnIncludeThatGoesBackwardIsFound) {
  const Rooms rooms(
      {"# order", "room base", "room nn", "stage engine", "stage tune", "stage eval -> engine", "room cli"});
  ASSERT_EQ(rooms.problem(), "");
  EXPECT_EQ(Backward({"src/base/a.h", {"#pragma once", "#include \"nn/rope.h\""}}, rooms),
            "src/base/a.h:2: `base` may not include `nn/rope.h`\n");
  EXPECT_EQ(Backward({"tests/base/a_test.cpp", {"#include \"nn/rope.h\""}}, rooms),
            "tests/base/a_test.cpp:1: `base` may not include `nn/rope.h`\n");
  EXPECT_EQ(Backward({"src/tune/a.cpp", {"#include \"engine/e.h\""}}, rooms),
            "src/tune/a.cpp:1: `tune` may not include `engine/e.h`\n");
  EXPECT_EQ(
      Backward({"src/eval/a.cpp", {"#include \"engine/e.h\"", "#include \"base/a.h\"", "#include <vector>"}}, rooms),
      "");
  EXPECT_EQ(Backward({"cli/a.cpp", {"#include \"tune/t.h\""}}, rooms), "");
}

TEST(Rooms, AnIncludeIsFoundHoweverItIsWritten) {
  const Rooms rooms({"room base", "room nn", "room models", "room cli"});
  for (const char* line :
       {"#  include   <nn/rope.h>", "  #include \"nn/rope.h\"  // turns", "#include\"nn/rope.h\"",
        "#\tinclude \"../nn/rope.h\"", "#include \"./../nn/rope.h\"", "#include \"../base/../../src/nn/rope.h\"",
        "#include \"src/nn/rope.h\"", "#include <src/./nn/rope.h>", "#include \"base/../nn/rope.h\""})
    EXPECT_NE(Backward({"src/base/a.h", {line}}, rooms), "") << line;
  EXPECT_EQ(Backward({"tests/base/a_test.cpp", {"#include \"tests/models/editable_source.h\""}}, rooms),
            "tests/base/a_test.cpp:1: `base` may not include `tests/models/editable_source.h`\n");
  for (const char* line : {"#include \"tests/base/a.h\"", "#include \"../base/a.h\"", "#include \"rope.h\"",
                           "#include \"tests/house/rooms.h\"", "#include <nn>", "// #include \"models/a.h\""})
    EXPECT_EQ(Backward({"src/nn/a.h", {line}}, rooms), "") << line;
}

TEST(Rooms, AnEdgeToAnUnknownStageIsRefused) {
  EXPECT_EQ(Rooms({"stage eval -> engin"}).problem(), "`engin` of `stage eval -> engin` is no stage above it");
}

TEST(Rooms, EveryIncludeOfTheProjectGoesUp) {
  const Rooms rooms = ReadRooms();
  ASSERT_EQ(rooms.problem(), "");
  std::string backward;
  size_t files = 0;
  for (const char* folder : {"src", "cli", "tests"}) {
    for (const SourceFile& file : SourcesIn(folder)) {
      backward += Backward(file, rooms);
      ++files;
    }
  }
  EXPECT_GT(files, 20u);
  EXPECT_EQ(backward, "");
}

TEST(Rooms, EveryFolderOfSrcHasItsPlace) {
  const Rooms rooms = ReadRooms();
  for (const auto& entry : std::filesystem::directory_iterator(Root() / "src")) {
    if (entry.is_directory()) {
      EXPECT_TRUE(rooms.Knows(entry.path().filename())) << entry.path() << " is not in src/rooms.txt";
    }
  }
}

TEST(Rooms, TheReadmeOfSrcHasAParagraphForEachRoom) {
  std::ifstream stream(Root() / "src/README.md");
  const std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  std::ifstream order(Root() / "src/rooms.txt");
  for (std::string kind, name, line; std::getline(order, line);) {
    std::istringstream words(line);
    words >> kind >> name;
    if (kind == "room" || kind == "stage") {
      EXPECT_NE(text.find("**" + name + "**"), std::string::npos) << name << " has no paragraph";
    }
  }
}

// Examples and public headers see what a user of the installed library sees.
std::string PrivateIncludes(const char* folder) {
  const Rooms rooms = ReadRooms();
  std::string out;
  for (const SourceFile& file : SourcesIn(folder)) {
    for (const Include& include : IncludesOf(file)) {
      const bool foreign = include.quoted && !include.path.starts_with("octet/");
      if (foreign || !RoomOfInclude(include.path, rooms).empty()) {
        out += file.path + ":" + std::to_string(include.line) + ": `" + include.path + "` is not public\n";
      }
    }
  }
  return out;
}

TEST(PublicHeaders, IncludeNothingOfSrc) {
  EXPECT_EQ(PrivateIncludes("include/octet"), "");
  EXPECT_EQ(PrivateIncludes("examples"), "");
}

TEST(PublicHeaders, AreAtMostTwelve) {
  const size_t count = SourcesIn("include/octet").size();
  EXPECT_GE(count, 1u);
  EXPECT_LE(count, 12u);
}

}  // namespace
}  // namespace octet::house
