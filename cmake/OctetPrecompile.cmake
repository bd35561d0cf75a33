# Headers of other libraries, parsed once per build rather than once per file: what the sanitizer builds save is a third of their time.
# Off elsewhere, so that a file which forgets to include what it uses is found.
set(OCTET_PRECOMPILED <algorithm> <array> <cstdint> <filesystem> <functional> <map> <memory> <optional> <span> <string> <string_view>
    <vector> <fmt/format.h> <nlohmann/json.hpp> <tl/expected.hpp>)

# octet_precompile(TARGET LIKE EXTRA...): TARGET's files start from those headers and EXTRA. Targets of the same flags share what was
# built for LIKE, which may be TARGET itself.
function(octet_precompile target like)
  if(NOT OCTET_PRECOMPILE)
    return()
  endif()
  if(target STREQUAL like)
    target_precompile_headers(${target} PRIVATE ${OCTET_PRECOMPILED} ${ARGN})
  else()
    target_precompile_headers(${target} REUSE_FROM ${like})
  endif()
endfunction()
