# Run at build time: writes version_info.h, and only when it changes, so that nothing is rebuilt without need.
#   cmake -DSOURCE=DIR -DOUTPUT=FILE -DVERSION=0.1.0 -DCOMPILER="g++ 12.2.0" -DBUILD_TYPE=Release -P OctetVersion.cmake
execute_process(COMMAND git -C ${SOURCE} rev-parse --short HEAD OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT commit)
  set(commit "unknown")
endif()
set(content "// Made by cmake/OctetVersion.cmake.
#pragma once

namespace octet {
inline constexpr char kVersion[] = \"${VERSION}\";
inline constexpr char kCommit[] = \"${commit}\";
inline constexpr char kCompiler[] = \"${COMPILER}\";
inline constexpr char kBuildType[] = \"${BUILD_TYPE}\";
}  // namespace octet
")
set(present "")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} present)
endif()
if(NOT present STREQUAL content)
  file(WRITE ${OUTPUT} "${content}")
endif()
