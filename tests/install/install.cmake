# SPDX-License-Identifier: Apache-2.0
# cmake -P install.cmake SOURCE BUILD PREFIX: installs into a fresh prefix, one the build was not told
# of, and sees that no public header is missing.
set(source ${CMAKE_ARGV3})
set(build ${CMAKE_ARGV4})
set(prefix ${CMAKE_ARGV5})
file(REMOVE_RECURSE ${prefix})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${build} --prefix ${prefix}
  COMMAND_ERROR_IS_FATAL ANY)
file(GLOB_RECURSE expected RELATIVE ${source}/include ${source}/include/*)
file(GLOB_RECURSE installed RELATIVE ${prefix}/include ${prefix}/include/*)
if(NOT "${expected}" STREQUAL "${installed}")
  list(REMOVE_ITEM expected ${installed})
  message(FATAL_ERROR "no mp_module() names: ${expected}")
endif()
