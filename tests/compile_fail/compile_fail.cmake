# SPDX-License-Identifier: Apache-2.0
# Run by the tests that mp_compile_fail makes.
list(TRANSFORM INCLUDES PREPEND "-I")
set(command ${COMPILER} -std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic ${INCLUDES} ${SNIPPET})

execute_process(COMMAND ${command} RESULT_VARIABLE status ERROR_VARIABLE output)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "does not compile even without -DMP_MUST_FAIL:\n${output}")
endif()

execute_process(COMMAND ${command} -DMP_MUST_FAIL RESULT_VARIABLE status ERROR_VARIABLE output)
if(status EQUAL 0)
  message(FATAL_ERROR "compiles with -DMP_MUST_FAIL")
endif()
string(FIND "${output}" "${EXPECTED}" place)
if(place EQUAL -1)
  message(FATAL_ERROR "the compiler did not say '${EXPECTED}' but:\n${output}")
endif()
