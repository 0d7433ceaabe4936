# SPDX-License-Identifier: Apache-2.0
# -DMP_SANITIZE=address,undefined or =thread, for the library, its tests and its benchmarks.
add_library(mp_sanitizers INTERFACE)
if(MP_SANITIZE)
  target_compile_options(mp_sanitizers INTERFACE
    -fsanitize=${MP_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  target_link_options(mp_sanitizers INTERFACE -fsanitize=${MP_SANITIZE})
endif()
