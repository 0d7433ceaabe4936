// SPDX-License-Identifier: Apache-2.0
// support/child.hpp — a forked child that runs a lambda and is always reaped.
//
//     Child child{[&] { EXPECT_EQ(queue.get(), 7); }};
//     EXPECT_EQ(child.wait(), exited(0));
//
// The child ends by _exit: with what the body returns (0 for void), with kFailedExpectations when
// a GoogleTest assertion failed in it, with kThrew when an exception left the body.
//
// Owns:   the process. The destructor kills and reaps what still runs.
// Blocks: wait(), at most `limit`; then it kills the child and throws, which fails the test.
// Fork:   the body sees the test's memory as it was. It must not use another Child of its parent.
#pragma once

#include <chrono>
#include <functional>
#include <iosfwd>
#include <type_traits>
#include <utility>

#include <sys/types.h>

namespace mp::test {

constexpr int kFailedExpectations = 121;
constexpr int kThrew = 122;

// How a process ended.
struct ExitStatus {
  int code = 0;    // meaningful when signal is 0
  int signal = 0;  // the signal that killed it

  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
  friend std::ostream& operator<<(std::ostream& out, const ExitStatus& status);
};

constexpr ExitStatus exited(int code) {
  return {.code = code, .signal = 0};
}
constexpr ExitStatus killed_by(int signal) {
  return {.code = 0, .signal = signal};
}

class Child {
 public:
  static constexpr std::chrono::milliseconds kLimit = std::chrono::seconds{20};

  template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, Child>>>
  explicit Child(F&& body) : pid_{start(as_main(std::forward<F>(body)))} {}
  Child(Child&& other) noexcept : pid_{std::exchange(other.pid_, 0)}, status_{other.status_} {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  Child& operator=(Child&&) = delete;
  ~Child();

  // Waits for the end of the child and reaps it.
  ExitStatus wait(std::chrono::milliseconds limit = kLimit);
  // Whether the child has ended within `limit`. Does not reap it.
  bool has_ended(std::chrono::milliseconds limit = std::chrono::milliseconds{0}) const;
  void send_signal(int signal) const;
  // SIGKILL and wait().
  ExitStatus kill();

  pid_t pid() const noexcept { return pid_; }

 private:
  template <class F>
  static std::function<int()> as_main(F&& body) {
    if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
      return [body = std::forward<F>(body)]() mutable {
        body();
        return 0;
      };
    } else {
      return std::forward<F>(body);
    }
  }
  static pid_t start(const std::function<int()>& body);

  pid_t pid_;
  bool reaped_ = false;
  ExitStatus status_;
};

// In a process that was just forked: it is killed when the thread that forked it ends, and so is
// every Child that it starts, and theirs. For parts that end without destroying what they made.
void die_with_parent(pid_t parent);

// Runs `body` in a child and waits for its end.
template <class F>
ExitStatus in_child(F&& body) {
  return Child{std::forward<F>(body)}.wait();
}

}  // namespace mp::test
