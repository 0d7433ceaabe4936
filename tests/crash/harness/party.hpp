// SPDX-License-Identifier: Apache-2.0
// harness/party.hpp — a forked process with a part in a trial, and the stage it is forked from.
//
// Stage:  while it lives, the tester has SIGCHLD blocked (the harness takes it with sigtimedwait)
//         and sits on one CPU, where a ptrace stop costs a sixth of what it costs across two.
//         Parties get the signal mask and the CPUs back that the tester had.
// Owns:   a Party is killed and reaped by its destructor at the latest, and killed when its parent
//         ends, as is every test::Child below it: a director that throws leaves nobody behind.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <string>

#include <sched.h>
#include <signal.h>
#include <sys/types.h>

#include "support/shared.hpp"

namespace mp::crash {

class Stage {
 public:
  Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  ~Stage();

  // In a forked party: undoes what the stage did to the tester.
  void leave() const;
  // Puts a process, stopped by ptrace, on the tester's CPU.
  void pin(pid_t pid) const;

 private:
  sigset_t mask_{};
  cpu_set_t usable_{};
  cpu_set_t pinned_{};
};

// How a party ended, as far as it did.
struct Ending {
  bool in_time = false;
  int status = 0;     // as from waitpid, when in_time
  std::string where;  // of one that did not end in time: what it was doing
  std::string text;   // of the exception that left its body

  bool is_clean() const { return in_time && status == 0; }
  std::string describe() const;
};

class Party {
 public:
  // Forks. A `traced` party asks to be traced and stops itself before it runs `body`.
  Party(const Stage& stage, const std::function<void()>& body, bool traced = false);
  Party(const Party&) = delete;
  Party& operator=(const Party&) = delete;
  ~Party();

  // Waits for the end. A party that has slept, or has used up `bound` of CPU time, when `bound` is
  // over is hung and left as it is; one that was merely starved of CPU is given ten times as long.
  Ending wait(std::chrono::milliseconds bound);
  // SIGKILL, and waits until the process is dead; a zombie is left where `reap` is false.
  void kill(bool reap = true);
  void reap();
  bool is_reaped() const { return reaped_; }
  // For who waits by other means: the status that waitpid gave.
  void set_reaped() { reaped_ = true; }
  // What the exception said that left the body, "" if none did.
  std::string text() const { return report_->text.data(); }

  pid_t pid() const { return pid_; }

 private:
  struct Report {
    std::array<char, 1024> text{};
    std::array<void*, 32> frames{};
    std::atomic<int> depth{0};
  };

  static void note_stack(int);
  std::string where() const;

  static Report* own_report;  // in the party

  test::Shared<Report> report_;
  pid_t pid_ = 0;
  bool reaped_ = false;
};

}  // namespace mp::crash
