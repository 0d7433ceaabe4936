// SPDX-License-Identifier: Apache-2.0
#include "mp/base/carrier.hpp"

#include "mp/base/contract.hpp"

namespace mp {

namespace {

constexpr const char* kNoObjects =
    "a shared object can only be sent to a process of the same tree, and not through this channel";
constexpr const char* kNoDescriptors = "this channel cannot carry a file descriptor";

}  // namespace

Carrier::~Carrier() = default;

void Carrier::put_object(std::uint64_t) {
  detail::throw_usage_error(kNoObjects);
}

void Carrier::put_fd(int) {
  detail::throw_usage_error(kNoDescriptors);
}

void Carrier::take_object(std::uint64_t) {
  detail::throw_usage_error(kNoObjects);
}

int Carrier::take_fd() {
  detail::throw_usage_error(kNoDescriptors);
}

}  // namespace mp
