# SPDX-License-Identifier: Apache-2.0
# The helpers behind every CMakeLists.txt of the house:
#
#   mp_module(PUBLIC include/... PRIVATE file.cpp ...)   one room of the library
#   mp_test(name file.cpp ... [LIBS ...] [LABELS ...] [TIMEOUT s] [PUBLIC_ONLY])
#   mp_bench(name file.cpp ... [LIBS ...])
#
# Public headers are named relative to include/, sources relative to the calling folder.

function(mp_configure_library)
  foreach(target mp_objects mp)
    target_compile_features(${target} PUBLIC cxx_std_20)
    set_target_properties(${target} PROPERTIES
      CXX_EXTENSIONS OFF
      POSITION_INDEPENDENT_CODE ON
      CXX_VISIBILITY_PRESET hidden
      VISIBILITY_INLINES_HIDDEN ON)
  endforeach()
  set_target_properties(mp PROPERTIES
    OUTPUT_NAME multiprocessing
    EXPORT_NAME mp
    LINKER_LANGUAGE CXX
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  target_include_directories(mp_objects
    PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/lib)
  target_link_libraries(mp_objects PRIVATE
    Threads::Threads Boost::headers OpenSSL::SSL OpenSSL::Crypto spdlog::spdlog mp_warnings mp_sanitizers)
  # A function that only children call would be bound lazily in each of them: a search through every
  # symbol table, on a dozen pages that the child has to fault in, at every fork.
  # And nobody is to replace a function of the library by one of the same name, so that those it
  # exports can be inlined into each other.
  target_compile_options(mp_objects PRIVATE -fno-plt -fno-semantic-interposition)
  target_sources(mp PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include)
endfunction()

# Gives `target`, a library made of the objects, what those objects need at link time.
function(mp_link_objects target)
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:mp_objects>)
  target_link_libraries(${target}
    PUBLIC Threads::Threads Boost::headers ${CMAKE_DL_LIBS}
    PRIVATE OpenSSL::SSL OpenSSL::Crypto spdlog::spdlog $<BUILD_INTERFACE:mp_sanitizers>)
  mp_add_entry_hook(${target})
endfunction()

# Gives `target` the file that catches re-executed children (lib/process/entry_hook.hpp): which one
# it is depends on the kind of library. Never LTO: its symbols are resolved by --wrap, by name.
function(mp_add_entry_hook target)
  get_target_property(type ${target} TYPE)
  if(type STREQUAL STATIC_LIBRARY)
    set(entry entry_wrap)
    target_link_options(${target} INTERFACE -Wl,--wrap=__libc_start_main)
  else()
    set(entry entry_interpose)
  endif()
  if(NOT TARGET mp_${entry})
    add_library(mp_${entry} OBJECT ${PROJECT_SOURCE_DIR}/lib/process/${entry}.cpp)
    target_include_directories(mp_${entry}
      PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/lib)
    target_compile_features(mp_${entry} PRIVATE cxx_std_20)
    target_compile_options(mp_${entry} PRIVATE -fno-lto)
    set_target_properties(mp_${entry} PROPERTIES CXX_EXTENSIONS OFF
      POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden)
    target_link_libraries(mp_${entry} PRIVATE mp_warnings mp_sanitizers)
  endif()
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:mp_${entry}>)
endfunction()

function(mp_finish_library)
  mp_link_objects(mp)
  if(BUILD_SHARED_LIBS)
    add_library(mp_testing STATIC EXCLUDE_FROM_ALL)
    set_target_properties(mp_testing PROPERTIES LINKER_LANGUAGE CXX)
    mp_link_objects(mp_testing)
    target_include_directories(mp_testing PUBLIC ${PROJECT_SOURCE_DIR}/include)
    target_compile_features(mp_testing PUBLIC cxx_std_20)
  else()
    add_library(mp_testing ALIAS mp)
  endif()
endfunction()

function(mp_module)
  cmake_parse_arguments(arg "" "" "PUBLIC;PRIVATE" ${ARGN})
  list(TRANSFORM arg_PUBLIC PREPEND ${PROJECT_SOURCE_DIR}/include/)
  list(TRANSFORM arg_PRIVATE PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  if(arg_PUBLIC)
    target_sources(mp PUBLIC FILE_SET HEADERS FILES ${arg_PUBLIC})
  endif()
  target_sources(mp_objects PRIVATE ${arg_PRIVATE})
endfunction()

function(mp_test name)
  cmake_parse_arguments(arg "PUBLIC_ONLY" "TIMEOUT" "LIBS;LABELS" ${ARGN})
  add_executable(${name}_test ${arg_UNPARSED_ARGUMENTS})
  if(arg_PUBLIC_ONLY)
    target_link_libraries(${name}_test PRIVATE mp::mp)
  else()
    target_link_libraries(${name}_test PRIVATE mp_testing)
    target_include_directories(${name}_test PRIVATE ${PROJECT_SOURCE_DIR}/lib)
  endif()
  target_link_libraries(${name}_test PRIVATE
    mp_test_support mp_warnings mp_sanitizers ${arg_LIBS})
  set_target_properties(${name}_test PROPERTIES CXX_EXTENSIONS OFF)
  target_precompile_headers(${name}_test REUSE_FROM mp_test_support)
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  gtest_discover_tests(${name}_test
    TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST
    PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
endfunction()

function(mp_bench name)
  cmake_parse_arguments(arg "" "" "LIBS" ${ARGN})
  add_executable(${name}_bench ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name}_bench PRIVATE
    mp_testing mp_bench_support mp_warnings mp_sanitizers ${arg_LIBS})
  target_include_directories(${name}_bench PRIVATE ${PROJECT_SOURCE_DIR}/lib)
  add_dependencies(benchmarks ${name}_bench)
endfunction()
