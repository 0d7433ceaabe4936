// SPDX-License-Identifier: Apache-2.0
#include "mp/pool/call_site.hpp"

namespace mp::detail {

namespace {

thread_local const void* call_site = nullptr;

}  // namespace

CallSite::CallSite(const void* return_address) noexcept : is_outermost_{call_site == nullptr} {
  if (is_outermost_) {
    call_site = return_address;
  }
}

CallSite::~CallSite() {
  if (is_outermost_) {
    call_site = nullptr;
  }
}

const void* CallSite::current() noexcept {
  return call_site;
}

}  // namespace mp::detail
