# SPDX-License-Identifier: Apache-2.0
# cmake -P install.cmake BUILD PREFIX: installs into a fresh prefix, one the build was not told of.
set(build ${CMAKE_ARGV3})
set(prefix ${CMAKE_ARGV4})
file(REMOVE_RECURSE ${prefix})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${build} --prefix ${prefix}
  COMMAND_ERROR_IS_FATAL ANY)
