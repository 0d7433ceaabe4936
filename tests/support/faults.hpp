// SPDX-License-Identifier: Apache-2.0
// support/faults.hpp — system calls that fail on demand.
//
//     Faults faults;
//     faults.fail(os::Sys::ftruncate, ENOSPC);       // from now on
//     faults.fail(os::Sys::read, EINTR, 3);          // three times, then they are made
//
// At most one Faults lives at a time. A forked child inherits it as it is.
//
// A suite that derives from OnEveryKernel runs three times: as the kernel is, and as if every call
// newer than Linux 5.4, or often forbidden, answered ENOSYS (an older kernel) and EPERM (a seccomp
// filter). Its expectations are the same each time.
#pragma once

#include <array>
#include <atomic>
#include <cerrno>
#include <gtest/gtest.h>
#include <limits>
#include <string>

#include "os/check.hpp"

namespace mp::test {

class Faults {
 public:
  static constexpr int kForever = std::numeric_limits<int>::max();

  Faults() {
    for (Plan& each : plans()) {
      each.error = 0;
      each.left = 0;
      each.asked = 0;
    }
    os::set_fault_hook(&ask);
  }
  Faults(const Faults&) = delete;
  Faults& operator=(const Faults&) = delete;
  ~Faults() { os::set_fault_hook(nullptr); }

  // Lets the next `times` calls fail with `error`.
  void fail(os::Sys sys, int error, int times = kForever) {
    plan(sys).error = error;
    plan(sys).left = times;
  }
  // How many calls there were, whether they were let through or not.
  int calls(os::Sys sys) const { return plan(sys).asked; }

 private:
  struct Plan {
    std::atomic<int> error;
    std::atomic<int> left;
    std::atomic<int> asked;
  };
  static constexpr auto kCount = static_cast<std::size_t>(os::Sys::count_);

  static std::array<Plan, kCount>& plans() {
    static std::array<Plan, kCount> all{};
    return all;
  }
  static Plan& plan(os::Sys sys) { return plans()[static_cast<std::size_t>(sys)]; }
  static int ask(os::Sys sys) noexcept {
    Plan& each = plan(sys);
    ++each.asked;
    int left = each.left;
    while (left > 0) {
      if (left == kForever || each.left.compare_exchange_weak(left, left - 1)) {
        return each.error;
      }
    }
    return 0;
  }
};

// All calls that a kernel 5.4 may not have, or a container may forbid.
inline constexpr std::array kNewerCalls = {
    os::Sys::clone3,       os::Sys::clone_pidfd,       os::Sys::futex_waitv,
    os::Sys::memfd_noexec, os::Sys::madvise_populate,  os::Sys::pidfd_get_info,
    os::Sys::pidfd_open,   os::Sys::pidfd_send_signal, os::Sys::rseq,
    os::Sys::waitid_pidfd, os::Sys::membarrier,
};

class OnEveryKernel : public testing::TestWithParam<int> {
 protected:
  OnEveryKernel() {
    if (GetParam() != 0) {
      for (const os::Sys sys : kNewerCalls) {
        faults.fail(sys, GetParam());
      }
    }
  }
  // Whether the newer calls work here, as far as the test knows.
  static bool has_newer_calls() { return GetParam() == 0; }

  Faults faults;
};

inline std::string kernel_name(const testing::TestParamInfo<int>& info) {
  return info.param == 0 ? "AsItIs" : info.param == ENOSYS ? "ENOSYS" : "EPERM";
}

}  // namespace mp::test

#define MP_ON_EVERY_KERNEL(Suite)                                             \
  INSTANTIATE_TEST_SUITE_P(Kernels, Suite, testing::Values(0, ENOSYS, EPERM), \
                           ::mp::test::kernel_name)
