# Libraries of the system that Octet stands on; tools/setup installs them on Debian 12.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(tl-expected REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(OpenSSL REQUIRED)
pkg_check_modules(pcre2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(simdjson REQUIRED IMPORTED_TARGET simdjson)
pkg_check_modules(libedit REQUIRED IMPORTED_TARGET libedit)
find_package(Boost 1.81 REQUIRED)  # Asio and Beast, headers alone
pkg_check_modules(prometheus REQUIRED IMPORTED_TARGET prometheus-cpp-core)
