// SPDX-License-Identifier: Apache-2.0
// Kills at every instruction of entering and leaving the tables of processes and threads, and of
// burying the dead: every entry of a dead process becomes free, and none of a living one does.
#include <csignal>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <thread>

#include <unistd.h>

#include "harness/kill_harness.hpp"
#include "memory/allocator.hpp"
#include "memory/arena.hpp"
#include "memory/message.hpp"
#include "memory/object.hpp"
#include "memory/processes.hpp"
#include "memory/threads.hpp"
#include "memory_checks.hpp"
#include "support/child.hpp"
#include "support/rendezvous.hpp"
#include "support/shared.hpp"

namespace mp::crash {
namespace {

using namespace memory;
using test::Child;
using test::Shared;

struct Prompt {
  ProcessId child = 0;
  ProcessId corpse = 0;
  ThreadTag corpse_thread = 0;
};

class RegistrationKill : public testing::Test {
 protected:
  Operation registration(const char* name, const char* state, std::function<void(Prompt&)> arrange,
                         std::function<void()> warm, std::function<void(Prompt&)> run) {
    return {.name = name,
            .state = state,
            .setup =
                [this, arrange = std::move(arrange)] {
                  *prompt_ = {};
                  static_cast<void>(this_thread());
                  arrange(*prompt_);
                },
            .warm = std::move(warm),
            .run = [this, run = std::move(run)] { run(*prompt_); },
            // Whoever is stopped in the middle lives, and must not be buried.
            .while_stopped = [] { bury_and_check_tables(); },
            .verify =
                [this] {
                  static_cast<void>(this_thread());
                  if (prompt_->child != 0) {
                    bury(prompt_->child);  // as its parent does, who knows that it is dead
                  }
                  bury_and_check_tables();
                  check_only_the_living_are_entered(2);  // the director and this survivor
                  check_heap({});
                  enter_and_leave();
                }};
  }

  // New processes and threads find room, and are told apart from all before them.
  static void enter_and_leave() {
    const ProcessId child = enter_child();
    const ProcessId other = enter_child();
    check(child != other && child != this_process(), "two processes have one name");
    check(!is_dead(child) && !is_dead(other), "a child that is entered counts as dead");
    bury(child);
    bury(other);
    check(is_dead(child), "a buried child is not dead");
    const ThreadTag mine = this_thread();
    ThreadTag another = 0;
    std::thread{[&] { another = this_thread(); }}.join();
    check(another != mine && thread_gone(another) && !thread_gone(mine), "threads are mixed up");
    check_only_the_living_are_entered(2);
  }

  // A process that registered, held something, and was killed.
  void leave_a_corpse(const std::function<void()>& hold) {
    test::Signal ready;
    Child corpse{[&] {
      prompt_->corpse_thread = this_thread();
      prompt_->corpse = this_process();
      hold();
      ready.raise();
      ::pause();
    }};
    ready.await();
    corpse.kill();
  }

  // Every entry but the last ones belongs to somebody dead.
  static void crowd_the_table() {
    const ProcessId me = this_process();
    Arena& arena = Arena::get();
    auto* table = arena.at<layout::ProcessEntry>(layout::kProcessTableOffset);
    const std::uint32_t count = kMaxProcesses - kLastProcesses;
    arena.commit(layout::kProcessTableOffset, count * sizeof(layout::ProcessEntry));
    arena.header().process_limit.store(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      if (i != process_index(me)) {
        table[i].word.store(std::uint64_t{static_cast<std::uint8_t>(layout::ProcessState::dead)}
                                << 60 |
                            std::uint64_t{1} << 40);
      }
    }
  }

  // The next claims try the entries again that were used and freed before.
  static void turn_back_the_cursors() {
    layout::ArenaHeader& header = Arena::get().header();
    header.process_cursor.store(0);
    header.thread_cursor.store(0);
  }

  Shared<Prompt> prompt_;
};

void nothing() {}

TEST_F(RegistrationKill, ProcessEntersItself) {
  expect_survival(registration(
      "this_process", "unused entry", [](Prompt&) {}, nothing,
      [](Prompt&) {
        check(!is_dead(this_process()), "this process counts as dead");
        check(pid_of(this_process()) == ::getpid(), "another process has this one's entry");
      }));
}

TEST_F(RegistrationKill, ProcessEntersItselfWhereAnotherWas) {
  expect_survival(registration(
      "this_process", "used entry",
      [this](Prompt&) {
        leave_a_corpse(nothing);
        bury(prompt_->corpse);
        turn_back_the_cursors();
      },
      nothing,
      [](Prompt&) {
        check(!is_dead(this_process()), "this process counts as dead");
        check(pid_of(this_process()) == ::getpid(), "another process has this one's entry");
      }));
}

TEST_F(RegistrationKill, ProcessEntersItselfWhereAllButTheLastEntriesAreDeadOnes) {
  Plan plan = Plan::from_environment();
  // It looks at all entries, and buries some.
  plan.steps = 400'000;
  plan.visits = 2;
  plan.trials = 12;
  plan.pairs = 2;
  plan.most_pairs = 50;
  expect_survival(
      registration(
          "this_process", "crowded by the dead", [](Prompt&) { crowd_the_table(); }, nothing,
          [](Prompt&) {
            check(!is_dead(this_process()), "this process counts as dead");
            check(process_index(enter_child()) < kMaxProcesses - kLastProcesses,
                  "nobody was buried");
          }),
      plan);
}

TEST_F(RegistrationKill, ThreadRegisters) {
  expect_survival(registration(
      "this_thread", "unused entry", [](Prompt&) {}, [] { static_cast<void>(this_process()); },
      [](Prompt&) { check(!thread_gone(this_thread()), "this thread counts as gone"); }));
}

TEST_F(RegistrationKill, ThreadRegistersWhereAnotherWas) {
  expect_survival(registration(
      "this_thread", "used entry",
      [this](Prompt&) {
        leave_a_corpse(nothing);
        bury(prompt_->corpse);
        turn_back_the_cursors();
      },
      [] { static_cast<void>(this_process()); },
      [](Prompt&) { check(!thread_gone(this_thread()), "this thread counts as gone"); }));
}

TEST_F(RegistrationKill, ThreadRegistersAfterASibling) {
  expect_survival(registration(
      "this_thread", "idle entry of its process", [](Prompt&) {},
      [] { std::thread{[] { static_cast<void>(this_thread()); }}.join(); },
      [](Prompt&) { check(!thread_gone(this_thread()), "this thread counts as gone"); }));
}

TEST_F(RegistrationKill, ParentEntersAChild) {
  expect_survival(registration(
      "enter_child", "unused entry", [](Prompt&) {}, [] { static_cast<void>(this_thread()); },
      [](Prompt&) { check(!is_dead(enter_child()), "the child counts as dead"); }));
}

TEST_F(RegistrationKill, ParentEntersAChildWhereAnotherWas) {
  expect_survival(registration(
      "enter_child", "used entry",
      [this](Prompt&) {
        leave_a_corpse(nothing);
        bury(prompt_->corpse);
      },
      [] {
        static_cast<void>(this_thread());
        turn_back_the_cursors();
      },
      [](Prompt&) { check(!is_dead(enter_child()), "the child counts as dead"); }));
}

TEST_F(RegistrationKill, ChildTakesUpItsEntry) {
  Operation operation = registration(
      "become", "entered by its parent", [](Prompt& p) { p.child = enter_child(); }, nothing,
      [](Prompt& p) {
        become(p.child);
        check(this_process() == p.child && !is_dead(p.child), "the child did not become itself");
      });
  operation.second = nothing;  // there is but one such child
  expect_survival(operation);
}

// What the dead may leave behind.
constexpr auto kType = ObjectType::test;

void hold_a_block() {
  static_cast<void>(allocate(5000));
}

void hold_everything() {
  static_cast<void>(allocate(5000));
  static mp::detail::ObjectRef object;  // never let go
  object = make_object(kType, 5000);
  static Message message{5000, {object.id()}};
}

TEST_F(RegistrationKill, SurvivorBuriesAProcessThatHeldNothing) {
  expect_survival(registration(
      "bury", "nothing held", [this](Prompt&) { leave_a_corpse(nothing); },
      [] { static_cast<void>(this_thread()); }, [](Prompt& p) { bury(p.corpse); }));
}

TEST_F(RegistrationKill, SurvivorBuriesAProcessThatHeldABlock) {
  expect_survival(registration(
      "bury", "block held", [this](Prompt&) { leave_a_corpse(hold_a_block); },
      [] { static_cast<void>(this_thread()); }, [](Prompt& p) { bury(p.corpse); }));
}

TEST_F(RegistrationKill, SurvivorBuriesAProcessThatHeldEverything) {
  expect_survival(registration(
      "bury_the_dead", "block, object, message held",
      [this](Prompt&) { leave_a_corpse(hold_everything); },
      [] { static_cast<void>(this_thread()); }, [](Prompt&) { bury_the_dead(); }));
}

}  // namespace
}  // namespace mp::crash
