// SPDX-License-Identifier: Apache-2.0
#include "mp/codec/exception.hpp"

#include <stdexcept>

class Odd {
 public:
  explicit Odd(int) {}
};
class Fine : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

#ifdef MP_MUST_FAIL
const bool registered = mp::register_exception<Odd>();
#else
const bool registered = mp::register_exception<Fine>();
#endif
