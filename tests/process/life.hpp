// SPDX-License-Identifier: Apache-2.0
// process/life.hpp — what the tests of the life of processes share.
#pragma once

#include <array>
#include <string>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

#include "mp/process/process.hpp"

#include "process/child_process.hpp"
#include "support/child.hpp"
#include "support/start_methods.hpp"

namespace mp::test {

// A target that does not end by itself.
inline void stay() {
  for (;;) {
    ::pause();
  }
}

inline void do_nothing() {}

// Tests name the start method always, so that none of them fixes the default one.
inline ProcessOptions under_fork(std::string name = {}) {
  return {.name = std::move(name), .daemon = {}, .start = StartMethod::fork};
}

// What `body`, run in a process of its own, and the children of that write to descriptor `number`.
template <class Body>
std::string output_of(int number, Body&& body, ExitStatus wanted = exited(0)) {
  const int file = ::memfd_create("output", MFD_CLOEXEC);
  Child program{[&] {
    ::dup2(file, number);
    std::forward<Body>(body)();
    process::Zygote::end_forkserver();
  }};
  EXPECT_EQ(program.wait(), wanted);
  std::string text(static_cast<std::size_t>(::lseek(file, 0, SEEK_END)), '\0');
  EXPECT_EQ(::pread(file, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  ::close(file);
  return text;
}

inline std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

inline void exit_with(int code) {
  std::exit(code);
}

// What tests of processes under every start method share.
class LifeTest : public StartMethodTest {
 protected:
  static ProcessOptions options(std::string name = {}) {
    ProcessOptions chosen;
    chosen.name = std::move(name);
    chosen.start = GetParam();
    return chosen;
  }
  static bool forks() { return GetParam() == StartMethod::fork; }

  // Runs it to its end and returns how that was.
  template <class F, class... Args>
  static int exitcode_of(F f, Args... args) {
    Process child{options(), f, std::move(args)...};
    child.start();
    child.join();
    return child.exitcode().value();
  }
};

}  // namespace mp::test
