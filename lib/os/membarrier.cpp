// SPDX-License-Identifier: Apache-2.0
#include "os/membarrier.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/check.hpp"

namespace mp::os {

namespace {

bool membarrier(int command) noexcept {
  return call(Sys::membarrier, [&] { return ::syscall(SYS_membarrier, command, 0, 0); }).ok();
}

}  // namespace

bool membarrier_join() noexcept {
  return membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
}

bool membarrier_everywhere() noexcept {
  return membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
}

}  // namespace mp::os
