// Which build of the library this is.
//
//   const octet::BuildInfo build = octet::ThisBuild();
//   std::printf("octet %s, commit %s\n", build.version.c_str(), build.commit.c_str());
#pragma once

#include <string>
#include <vector>

namespace octet {

struct BuildInfo {
  std::string version;             // "0.1.0"
  std::string commit;              // of the source; "unknown" where it was built outside a git checkout
  std::string compiler;            // "g++ 12.2.0"
  std::string build_type;          // "Release"
  std::vector<std::string> tiers;  // kernels it holds, lowest first, whether or not this CPU runs them
};

BuildInfo ThisBuild();

}  // namespace octet
