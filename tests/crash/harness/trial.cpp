// SPDX-License-Identifier: Apache-2.0
#include "harness/trial.hpp"

#include <stdexcept>
#include <string_view>
#include <system_error>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/symbol.hpp"
#include "support/eventually.hpp"
#include "support/proc_view.hpp"
#include "support/watchdog.hpp"

namespace mp::crash {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPassingSleep{300};  // a system call may sleep a little for its own reasons
constexpr std::chrono::seconds kTrialLimit{120};
constexpr std::size_t kLongestSecond = 2'000;

void call(const std::function<void()>& function) {
  if (function) {
    function();
  }
}

Finding finding_at(const Trace& trace, Trace::Point point) {
  return {.position = point.position,
          .asleep = point.asleep,
          .instruction = trace.instruction(point.position)};
}

// A file in memory in which the director leaves its verdict.
class Letter {
 public:
  Letter() : fd_{::memfd_create("mp-test-verdict", MFD_CLOEXEC)} {
    if (fd_ < 0) {
      throw std::system_error{errno, std::system_category(), "memfd_create"};
    }
  }

  Letter(const Letter&) = delete;
  Letter& operator=(const Letter&) = delete;
  ~Letter() { ::close(fd_); }

  void put(std::uint64_t number) { append(&number, sizeof number); }

  void put(std::string_view text) {
    put(text.size());
    append(text.data(), text.size());
  }

  template <class T>
  void put(const std::vector<T>& numbers) {
    put(numbers.size());
    for (const T number : numbers) {
      put(static_cast<std::uint64_t>(number));
    }
  }

  void seal() {
    if (::write(fd_, bytes_.data(), bytes_.size()) != static_cast<ssize_t>(bytes_.size())) {
      throw std::system_error{errno, std::system_category(), "write"};
    }
  }

  void open() {
    bytes_.resize(static_cast<std::size_t>(::lseek(fd_, 0, SEEK_END)));
    if (::pread(fd_, bytes_.data(), bytes_.size(), 0) != static_cast<ssize_t>(bytes_.size())) {
      throw std::system_error{errno, std::system_category(), "pread"};
    }
  }

  std::uint64_t number() {
    std::uint64_t number = 0;
    bytes_.copy(reinterpret_cast<char*>(&number), sizeof number, at_);
    at_ += sizeof number;
    return number;
  }

  std::string text() {
    const std::size_t size = number();
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }

  template <class T>
  void numbers(std::vector<T>& into) {
    into.resize(number());
    for (T& each : into) {
      each = static_cast<T>(number());
    }
  }

 private:
  void append(const void* data, std::size_t size) {
    bytes_.append(static_cast<const char*>(data), size);
  }

  int fd_;
  std::string bytes_;
  std::size_t at_ = 0;
};

void write_verdict(Letter& letter, const Verdict& verdict) {
  letter.put(verdict.findings.size());
  for (const Finding& finding : verdict.findings) {
    letter.put(static_cast<std::uint64_t>(finding.fate));
    letter.put(finding.position);
    letter.put(finding.asleep ? 1 : 0);
    letter.put(finding.second ? *finding.second + 1 : 0);
    letter.put(finding.instruction);
    letter.put(finding.text);
  }
  letter.put(verdict.reached ? 1 : 0);
  letter.put(verdict.number);
  letter.put(verdict.instructions);
  letter.put(verdict.sleeps);
  letter.seal();
}

Verdict read_verdict(Letter& letter) {
  letter.open();
  Verdict verdict;
  verdict.findings.resize(letter.number());
  for (Finding& finding : verdict.findings) {
    finding.fate = static_cast<Fate>(letter.number());
    finding.position = letter.number();
    finding.asleep = letter.number() != 0;
    if (const std::uint64_t second = letter.number(); second != 0) {
      finding.second = second - 1;
    }
    finding.instruction = letter.number();
    finding.text = letter.text();
  }
  verdict.reached = letter.number() != 0;
  verdict.number = letter.number();
  letter.numbers(verdict.instructions);
  letter.numbers(verdict.sleeps);
  return verdict;
}

}  // namespace

Verdict Trial::direct(const std::function<void()>& act) {
  test::set_test_timeout(kTrialLimit);
  Letter letter;
  const Stage house;
  Party director{house, [&] {
                   const Stage stage;
                   stage_ = &stage;
                   call(operation_.setup);
                   act();
                   call(operation_.teardown);
                   write_verdict(letter, verdict_);
                 }};
  if (const Ending ending = director.wait(kTrialLimit); !ending.is_clean()) {
    throw std::runtime_error{operation_.name + " [" + operation_.state + "]: " + ending.describe()};
  }
  return read_verdict(letter);
}

// Forked processes that sleep when the victim starts.
Trial::Waiters Trial::start_waiters(std::size_t skip) {
  Waiters waiters;
  for (std::size_t i = skip; i < operation_.waiters.size(); ++i) {
    waiters.push_back(std::make_unique<Party>(*stage_, operation_.waiters[i]));
    const pid_t pid = waiters.back()->pid();
    if (!test::eventually([&] { return test::is_asleep(pid); })) {
      throw std::runtime_error{"a waiter does not fall asleep: " +
                               waiters.back()->wait(plan_.bound).describe()};
    }
  }
  return waiters;
}

std::unique_ptr<Tracee> Trial::start(const std::function<void()>& body) {
  return std::make_unique<Tracee>(
      *stage_,
      [&] {
        call(operation_.warm);
        begin_operation();
        body();
        end_operation();
      },
      operation_.pinned);
}

std::unique_ptr<Tracee> Trial::start_second() {
  return start(operation_.second ? operation_.second : operation_.run);
}

// The first waiter under ptrace, asleep, so that it stops when its sleep ends.
std::unique_ptr<Tracee> Trial::start_second_waiter() {
  auto waiter = start(operation_.waiters.front());
  if (waiter->run_to_sleep() != Stop::asleep) {
    throw std::runtime_error{"the first waiter does not fall asleep: " +
                             waiter->ending().describe()};
  }
  return waiter;
}

// Makes a victim that sleeps go on, if the operation says how.
Stop Trial::past_sleep(Tracee& tracee, Stop stop) {
  if (stop != Stop::asleep) {
    return stop;
  }
  if (!operation_.when_asleep) {
    return tracee.wait_awake(kPassingSleep);
  }
  operation_.when_asleep();
  return tracee.wait_awake(plan_.bound);
}

bool Trial::hop(Tracee& tracee, const Trace& trace, Point point) {
  std::size_t at = 0;
  for (const std::size_t next : trace.route(point.position)) {
    const Stop stop = next == at + 1 ? tracee.step() : tracee.run_to(trace.instruction(next));
    if (past_sleep(tracee, stop) != Stop::trapped ||
        tracee.instruction() != trace.instruction(next)) {
      return false;
    }
    at = next;
  }
  return !point.asleep || tracee.step() == Stop::asleep;
}

// Brings the victim to the point by breakpoints, and notes whether it went the recorded way.
void Trial::seek(Tracee& tracee, const Trace& trace, Point point) {
  verdict_.reached = hop(tracee, trace, point);
}

// Executes up to `count` instructions; fewer if the operation ends before, or sleeps.
std::size_t Trial::step(Tracee& tracee, std::size_t count) {
  std::size_t done = 0;
  while (done < count && !tracee.is_at_end() && tracee.step() == Stop::trapped) {
    ++done;
  }
  return done;
}

void Trial::judge(const Ending& ending, const char* who, Finding where) {
  if (ending.is_clean()) {
    return;
  }
  where.fate = Fate::broken;
  if (!ending.in_time) {
    where.fate = Fate::hung;
  } else if (WIFSIGNALED(ending.status)) {
    where.fate = Fate::crashed;
  }
  where.text = std::string{who} + ": " + ending.describe();
  verdict_.findings.push_back(std::move(where));
}

void Trial::survive(Waiters& waiters, const Finding& where) {
  const auto see_off = [&] {
    for (auto& waiter : waiters) {
      judge(waiter->wait(plan_.bound), "a waiter", where);
    }
    waiters.clear();
  };
  if (!waiters.empty() && is_owed()) {
    see_off();
  }
  Party survivor{*stage_, operation_.verify};
  judge(survivor.wait(plan_.bound), "the survivor", where);
  see_off();
}

// Waits for the end of a waiter's sleep; for a moment only, where nobody owes it that.
Stop Trial::wake(Tracee& waiter) {
  return is_owed() ? waiter.wait_awake(plan_.bound) : waiter.wait(plan_.bound);
}

// Lets a tracee, stopped or asleep, run on to the end of its process, and judges that.
void Trial::finish(Tracee& tracee, const char* who, const Finding& where) {
  Stop stop = Stop::trapped;
  if (!tracee.party().is_reaped() && !tracee.is_stopped()) {
    stop = past_sleep(tracee, Stop::asleep);
  }
  if (!tracee.party().is_reaped() && stop == Stop::trapped) {
    past_sleep(tracee, tracee.run_on());
  }
  judge(tracee.ending(), who, where);
}

Trace Trial::record() {
  Verdict verdict = direct([&] {
    const Waiters waiters = start_waiters(0);
    const auto victim = start_victim();
    verdict_.instructions.push_back(victim->instruction());
    while (!victim->is_at_end()) {
      if (verdict_.instructions.size() > plan_.steps) {
        throw std::runtime_error{"the operation takes more than " + std::to_string(plan_.steps) +
                                 " steps; it is at " + symbol_of(victim->instruction())};
      }
      Stop stop = victim->step();
      if (stop == Stop::asleep) {
        verdict_.sleeps.push_back(verdict_.instructions.size() - 1);
        stop = past_sleep(*victim, stop);
      }
      if (stop == Stop::ended) {
        throw std::runtime_error{"the operation ends its process: " + victim->ending().describe()};
      }
      if (stop != Stop::trapped) {
        break;  // it sleeps for ever: that is where the trace ends
      }
      verdict_.instructions.push_back(victim->instruction());
    }
  });
  return {std::move(verdict.instructions), std::move(verdict.sleeps)};
}

Verdict Trial::kill_one(const Trace& trace, Point point, bool by_steps, bool reap) {
  return direct([&] {
    Waiters waiters = start_waiters(0);
    const auto victim = start_victim();
    if (by_steps) {
      step(*victim, point.position + (point.asleep ? 1 : 0));
    } else {
      seek(*victim, trace, point);
    }
    const Finding where = finding_at(trace, point);
    if (victim->party().is_reaped()) {
      judge(victim->ending(), "the victim, before it was killed", where);
    } else {
      victim->party().kill(reap);
    }
    survive(waiters, where);
  });
}

std::size_t Trial::length_of_second(const Trace& trace) {
  const Verdict verdict = direct([&] {
    const bool has_waiter = !operation_.waiters.empty();
    const auto waiter = has_waiter ? start_second_waiter() : nullptr;
    const auto victim = start_victim();
    seek(*victim, trace, {.position = trace.steps() / 2});
    victim->party().kill();
    const auto next = has_waiter ? nullptr : start_second();
    if (!has_waiter || wake(*waiter) == Stop::trapped) {
      verdict_.number = step(has_waiter ? *waiter : *next, kLongestSecond);
    }
  });
  return verdict.number;
}

Verdict Trial::kill_two(const Trace& trace, Point point, std::size_t steps) {
  return direct([&] {
    const bool has_waiter = !operation_.waiters.empty();
    auto second = has_waiter ? start_second_waiter() : nullptr;
    Waiters others = start_waiters(has_waiter ? 1 : 0);
    Finding where = finding_at(trace, point);
    const auto first = start_victim();
    seek(*first, trace, point);
    first->party().kill();
    std::size_t to_do = steps;
    if (!has_waiter) {
      second = start_second();
    } else if (wake(*second) != Stop::trapped) {
      if (is_owed()) {
        judge(second->ending(), "the waiter who is to be killed", where);
      }
      to_do = 0;  // it dies in its sleep
    }
    where.second = step(*second, to_do);
    if (second->party().is_reaped()) {
      judge(second->ending(), "the second victim, before it was killed", where);
    } else {
      second->party().kill();
    }
    survive(others, where);
  });
}

Verdict Trial::interleave(const Trace& trace, Point point, std::size_t steps) {
  return direct([&] {
    Waiters waiters = start_waiters(0);
    const auto victim = start_victim();
    seek(*victim, trace, point);
    const auto other = start_second();
    Finding where = finding_at(trace, point);
    where.second = step(*other, steps);
    victim->party().kill();
    finish(*other, "the other party", where);
    survive(waiters, where);
  });
}

Verdict Trial::stop_one(const Trace& trace, Point point) {
  return direct([&] {
    Waiters waiters = start_waiters(0);
    const auto victim = start_victim();
    seek(*victim, trace, point);
    const Finding where = finding_at(trace, point);
    Party other{*stage_, operation_.while_stopped};
    judge(other.wait(plan_.bound), "another party, beside the stopped one", where);
    finish(*victim, "the stopped party, going on", where);
    survive(waiters, where);
  });
}

}  // namespace mp::crash
