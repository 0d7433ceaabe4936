# SPDX-License-Identifier: Apache-2.0
# find_package(multiprocessing) and pkg-config multiprocessing, for static and shared builds.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(mp_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/multiprocessing)
install(TARGETS mp EXPORT multiprocessingTargets
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT Runtime
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT Runtime NAMELINK_COMPONENT Development
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT Development
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT Development)
install(EXPORT multiprocessingTargets NAMESPACE mp::
  DESTINATION ${mp_package_dir} COMPONENT Development)
configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/multiprocessingConfig.cmake.in
  ${PROJECT_BINARY_DIR}/multiprocessingConfig.cmake INSTALL_DESTINATION ${mp_package_dir})
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/multiprocessingConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/multiprocessingConfig.cmake
  ${PROJECT_BINARY_DIR}/multiprocessingConfigVersion.cmake
  DESTINATION ${mp_package_dir} COMPONENT Development)

# The .pc file finds its prefix from where it lies, so `cmake --install --prefix` may choose another
# and the tree may move. Absolute install dirs are legal, so the prefix is only put before relative
# ones.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(mp_pc_prefix "${CMAKE_INSTALL_PREFIX}")
else()
  file(RELATIVE_PATH mp_pc_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  string(REGEX REPLACE "/$" "" mp_pc_prefix "\${pcfiledir}/${mp_pc_prefix}")
endif()
foreach(kind LIB INCLUDE)
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${kind}DIR}")
    set(mp_pc_${kind}DIR "${CMAKE_INSTALL_${kind}DIR}")
  else()
    set(mp_pc_${kind}DIR "\${prefix}/${CMAKE_INSTALL_${kind}DIR}")
  endif()
endforeach()
# A static library leaves its own dependencies to whoever links it.
set(mp_pc_private "libssl libcrypto spdlog fmt")
if(BUILD_SHARED_LIBS)
  set(mp_pc_requires "")
  set(mp_pc_requires_private "${mp_pc_private}")
else()
  set(mp_pc_requires "${mp_pc_private}")
  set(mp_pc_requires_private "")
endif()
get_target_property(mp_pc_link_options mp INTERFACE_LINK_OPTIONS)
if(mp_pc_link_options)
  list(JOIN mp_pc_link_options " " mp_pc_link_options)
else()
  set(mp_pc_link_options "")
endif()
configure_file(${PROJECT_SOURCE_DIR}/cmake/multiprocessing.pc.in
  ${PROJECT_BINARY_DIR}/multiprocessing.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/multiprocessing.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT Development)
