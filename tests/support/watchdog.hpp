// SPDX-License-Identifier: Apache-2.0
// support/watchdog.hpp — ends a test that hangs, and says where it hangs.
//
// A test that runs longer than its time (60 s; MP_TEST_TIMEOUT=seconds, 0 for never) is stopped:
// the stack of every thread, every descendant process with its state, wait channel and, if it was
// forked from here, its stacks too, go to stderr; then the descendants are killed and the process
// aborts. The test main installs the watchdog for all tests.
//
// Threads:  it needs none of its own, so code under test that cares about the number of threads is
//           not disturbed: a POSIX timer sends a signal. Should all threads have that signal
//           blocked, a second timer kills the process ten seconds later.
// Fork:     timers are not inherited, so a forked child is never stopped by its parent's watchdog.
#pragma once

#include <chrono>

namespace mp::test {

// Gives the running test this much time from now on.
void set_test_timeout(std::chrono::seconds limit);

// Adds the watchdog to GoogleTest's listeners. Called by the test main.
void install_watchdog();

}  // namespace mp::test
