# What `cmake --install` gives: the library, its headers, find_package(octet), pkg-config octet; the program is in cli/.
include(CMakePackageConfigHelpers)
install(TARGETS octet EXPORT octetTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/octet DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h)

set(package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/octet)
install(EXPORT octetTargets NAMESPACE octet:: DESTINATION ${package_directory})
configure_package_config_file(cmake/octetConfig.cmake.in ${PROJECT_BINARY_DIR}/octetConfig.cmake INSTALL_DESTINATION ${package_directory})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/octetConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/octetConfig.cmake ${PROJECT_BINARY_DIR}/octetConfigVersion.cmake DESTINATION ${package_directory})

# A static library's user links what it stands on; of a shared one that is the library's own affair. The file is made at install
# time, because the prefix may be given to `cmake --install` alone.
set(OCTET_PC_PRIVATE "")
if(BUILD_SHARED_LIBS)
  set(OCTET_PC_PRIVATE ".private")
endif()
set(OCTET_PC_TLS "libcrypto")
if(OCTET_TLS)
  set(OCTET_PC_TLS "libssl libcrypto")
endif()
set(OCTET_PC_THREADS "${CMAKE_THREAD_LIBS_INIT} -pthread")
string(STRIP "${OCTET_PC_THREADS}" OCTET_PC_THREADS)
install(CODE "
  set(PROJECT_VERSION \"${PROJECT_VERSION}\")
  set(OCTET_PC_TLS \"${OCTET_PC_TLS}\")
  set(OCTET_PC_PRIVATE \"${OCTET_PC_PRIVATE}\")
  set(OCTET_PC_THREADS \"${OCTET_PC_THREADS}\")
  set(CMAKE_INSTALL_LIBDIR \"${CMAKE_INSTALL_LIBDIR}\")
  set(CMAKE_INSTALL_INCLUDEDIR \"${CMAKE_INSTALL_INCLUDEDIR}\")
  configure_file(\"${PROJECT_SOURCE_DIR}/cmake/octet.pc.in\" \"${PROJECT_BINARY_DIR}/octet.pc\" @ONLY)")
install(FILES ${PROJECT_BINARY_DIR}/octet.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
