// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "mp/shared/array.hpp"

#ifdef MP_MUST_FAIL
using Word = std::string;
#else
struct Word {
  char letters[16];
};
#endif

std::size_t count() {
  return mp::Array<Word>(10).size();
}
