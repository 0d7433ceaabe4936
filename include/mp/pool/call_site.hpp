// SPDX-License-Identifier: Apache-2.0
// mp/pool/call_site.hpp — where in the program a call of a pool is being made. Nothing here is
// meant to be spelled by users of Pool.
//
// Functions that users call have an object on the stack that notes their return address, unless
// they were called by another one that has. They must not be inlined, or it would be somebody
// else's.
#pragma once

#include "mp/base/export.hpp"

namespace mp::detail {

class MP_API CallSite {
 public:
  explicit CallSite(const void* return_address) noexcept;
  ~CallSite();
  CallSite(const CallSite&) = delete;
  CallSite& operator=(const CallSite&) = delete;

  // The outermost one of this thread; null when there is none.
  [[nodiscard]] static const void* current() noexcept;

 private:
  bool is_outermost_;
};

}  // namespace mp::detail
