# Installs into a fresh prefix and builds and runs examples/generate.cpp against it, by find_package and by pkg-config.
#   cmake -DSOURCE=DIR -DBUILD=DIR -DCOMPILER=c++ -DLIBDIR=lib -DMODEL=DIR -DFLAGS="..." -P installed_library.cmake
set(work ${BUILD}/installed_library)
file(REMOVE_RECURSE ${work})
file(MAKE_DIRECTORY ${work})
set(prefix ${work}/prefix)

# step(COMMAND...): runs it and stops the test, with its output, where it fails.
function(step)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT code EQUAL 0)
    list(JOIN ARGV " " command)
    message(FATAL_ERROR "`${command}` ended with ${code}:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

step(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})
step(${prefix}/bin/octet --version)
set(version_of_program "${output}")

step(${CMAKE_COMMAND} -S ${SOURCE}/examples -B ${work}/examples -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_CXX_COMPILER=${COMPILER}
     -DCMAKE_CXX_FLAGS=${FLAGS})
step(${CMAKE_COMMAND} --build ${work}/examples)
step(${work}/examples/generate ${MODEL} "Once upon a time" 4)
set(by_find_package "${output}")

set(ENV{PKG_CONFIG_PATH} ${prefix}/${LIBDIR}/pkgconfig)
execute_process(COMMAND pkg-config --cflags --libs octet OUTPUT_VARIABLE words OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(words)
separate_arguments(FLAGS)
step(${COMPILER} -std=c++20 ${FLAGS} ${SOURCE}/examples/generate.cpp ${words} -o ${work}/generate)
step(${work}/generate ${MODEL} "Once upon a time" 4)
set(by_pkg_config "${output}")

if(NOT by_find_package MATCHES "4 tokens" OR NOT by_pkg_config MATCHES "4 tokens")
  message(FATAL_ERROR "four tokens were asked for:\n${by_find_package}\n${by_pkg_config}")
endif()

file(WRITE ${work}/version.cpp "#include <octet/version.h>
#include <iostream>
int main() { std::cout << octet::ThisBuild().version; }
")
step(${COMPILER} -std=c++20 ${FLAGS} ${work}/version.cpp ${words} -o ${work}/version)
step(${work}/version)
if(NOT version_of_program MATCHES "^octet ${output} \\(")
  message(FATAL_ERROR "the library is `${output}`, the program `${version_of_program}`")
endif()
