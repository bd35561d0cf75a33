# Warnings, sanitizers and floating-point rules that hold for every target of the project.
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  add_compile_options(-Wno-restrict)  # g++ 12 reports "text" + std::string as an overlapping copy, which it isn't
endif()
# A sum must have the same bits whatever the compiler: no a*b+c becomes an FMA unless the code says so.
add_compile_options(-ffp-contract=off)
if(OCTET_SANITIZE)
  add_compile_options(-fsanitize=${OCTET_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${OCTET_SANITIZE})
  # Asio's fences, which ThreadSanitizer doesn't see; nothing of ours is ordered by them alone.
  if(OCTET_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-tsan>)
  endif()
endif()
if(OCTET_FUZZERS)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
find_program(OCTET_CCACHE ccache)
if(OCTET_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${OCTET_CCACHE})
endif()
