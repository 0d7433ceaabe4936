// SPDX-License-Identifier: Apache-2.0
// support/leak_sentinel.hpp — fails the test that leaves something behind.
//
// Before and after every test the sentinel looks at what this process holds: child processes
// (zombies too), open descriptors, threads, and named objects in /dev/shm and the temporary
// folder. A difference fails the test and names what leaked, or what the test closed although it
// had not opened it. The test main installs the sentinel for all tests; no fixture is needed.
//
// Names:    other programs use /dev/shm and /tmp at the same time, so only names that begin as the
//           library's and its tests' do (mp, psm_, pymp, sem.mp, multiprocessing) count, only those
//           of this user, and only while no process outside this one's descendants has the object
//           open or mapped: a test program that runs beside this one is not blamed on it.
// Settling: an ended thread stays in /proc for a moment after its join, so a difference is a leak
//           only if it is still there after two seconds.
// Orphans:  the test main makes this process a subreaper, so a grandchild whose parent was killed
//           turns up as a child here and cannot hide. Reap such ones with reap_adopted().
// Laziness: what the library makes once and keeps goes through allow_lingering(), or is made before
//           the first test by a warm_up() function.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

namespace mp::test {

enum class Resource { child, descriptor, thread, name };

// What this process holds, by kind: an identity (pid, fd, tid, path) and a description (process
// name, link target, thread name, path).
struct Holdings {
  std::map<Resource, std::map<std::string, std::string>> held{{Resource::child, {}},
                                                              {Resource::descriptor, {}},
                                                              {Resource::thread, {}},
                                                              {Resource::name, {}}};

  static Holdings now();
};

// One line for each thing that is in `after` and not in `before`, or the other way round.
std::vector<std::string> differences(const Holdings& before, const Holdings& after);
// The differences that are still there when `patience` is over; returns at once if none is.
std::vector<std::string> lasting_differences(
    const Holdings& before, std::chrono::milliseconds patience = std::chrono::seconds{2});

// Things of that kind whose description matches the glob may appear during a test and stay.
void allow_lingering(Resource kind, std::string glob);
// Runs `function` once, before the first test. Returns true, for use in a namespace-scope variable.
bool warm_up(std::function<void()> function);
// Reaps children that are dead already and are not ours by fork but by adoption: everything that
// waitpid(-1) offers without blocking. Returns how many. For tests that kill a parent of processes.
int reap_adopted();

// Adds the sentinel to GoogleTest's listeners. Called by the test main.
void install_leak_sentinel();

}  // namespace mp::test
