// SPDX-License-Identifier: Apache-2.0
#include "memory/processes.hpp"

#include <csignal>
#include <gtest/gtest.h>
#include <thread>

#include <unistd.h>

#include "memory/arena.hpp"
#include "memory/threads.hpp"
#include "support/child.hpp"
#include "support/rendezvous.hpp"
#include "support/shared.hpp"

namespace mp::memory {
namespace {

using test::Child;

TEST(Processes, EntersItselfOnce) {
  const ProcessId me = this_process();
  EXPECT_NE(me, 0u);
  EXPECT_EQ(this_process(), me);
  EXPECT_EQ(pid_of(me), ::getpid());
  EXPECT_FALSE(is_dead(me));
}

TEST(Processes, AForkedChildIsAProcessOfItsOwn) {
  const ProcessId parent = this_process();
  Child child{[parent] {
    EXPECT_NE(this_process(), parent);
    EXPECT_EQ(pid_of(this_process()), ::getpid());
  }};
  EXPECT_EQ(child.wait(), test::exited(0));
  EXPECT_EQ(bury_the_dead(), 1);
  EXPECT_EQ(bury_the_dead(), 0);
}

TEST(Processes, AChildIsDeadOnlyWhenItIs) {
  const ProcessId id = enter_child();
  EXPECT_FALSE(is_dead(id)) << "entered, not started";
  test::Signal ready;
  Child child{[id, &ready] {
    become(id);
    ready.raise();
    ::pause();
  }};
  ready.await();
  EXPECT_FALSE(is_dead(id));
  child.send_signal(SIGSTOP);
  EXPECT_FALSE(is_dead(id)) << "a stopped process is alive";
  child.send_signal(SIGKILL);
  EXPECT_TRUE(child.has_ended(std::chrono::seconds{10}));
  EXPECT_TRUE(is_dead(id)) << "a zombie is dead";
  child.wait();
  EXPECT_TRUE(is_dead(id));
  bury(id);
  EXPECT_TRUE(is_dead(id));
}

TEST(Processes, KeepsTheExitCodeUntilBuried) {
  const ProcessId id = enter_child();
  Child child{[id] {
    become(id);
    set_exit_code(7);
  }};
  child.wait();
  int code = 0;
  EXPECT_TRUE(exit_code_of(id, code));
  EXPECT_EQ(code, 7);
  bury(id);
}

// Takes every entry but the last ones, for children that never start, and leaves them to the dead.
void crowd_the_processes() {
  static_cast<void>(this_process());  // makes the arena, which all are to share
  Child crowd{[] {
    while (process_index(enter_child()) < kMaxProcesses - kLastProcesses) {
    }
  }};
  EXPECT_EQ(crowd.wait(), test::exited(0));
}

TEST(Processes, AreNotKeptOutByTheDead) {
  crowd_the_processes();
  for (std::uint32_t i = 0; i < 2 * kLastProcesses; ++i) {  // each of whom nobody buries
    Child late{[] { EXPECT_FALSE(is_dead(this_process())); }};
    ASSERT_EQ(late.wait(), test::exited(0)) << "the " << i << "th";
  }
  EXPECT_GT(bury_the_dead(), 0);
  EXPECT_EQ(bury_the_dead(), 0);
}

TEST(Processes, StartChildrenThoughTheTableIsFullOfTheDead) {
  crowd_the_processes();
  const layout::ArenaHeader& header = Arena::get().header();
  auto* table = Arena::get().at<layout::ProcessEntry>(layout::kProcessTableOffset);
  for (std::uint32_t i = 1; i <= kLastProcesses && header.process_limit == kMaxProcesses; ++i) {
    table[kMaxProcesses - i].word.store(table[kMaxProcesses - kLastProcesses - i].word);
  }
  const ProcessId child = enter_child();
  EXPECT_FALSE(is_dead(child));
  child_not_started(child);
  EXPECT_GT(bury_the_dead(), 0);
  EXPECT_EQ(bury_the_dead(), 0);
}

TEST(Threads, AreNotKeptOutByTheDead) {
  static_cast<void>(this_thread());  // makes the arena, which all are to share
  Child crowd{[] {
    Arena& arena = Arena::get();
    auto* table = arena.at<layout::ThreadEntry>(layout::kThreadTableOffset);
    const std::uint32_t count = kMaxThreads - kLastThreads;
    arena.commit(layout::kThreadTableOffset, count * sizeof *table);
    const std::uint64_t mine = table[thread_index(this_thread())].word;
    for (std::uint32_t i = 0; i < count; ++i) {  // as if it had so many threads
      if (table[i].word >> 62 == 0) {
        table[i].word = mine;
      }
    }
    arena.header().thread_limit = count;
  }};
  EXPECT_EQ(crowd.wait(), test::exited(0));
  for (std::uint32_t i = 0; i < 2 * kLastThreads; ++i) {
    Child late{[] { EXPECT_FALSE(thread_gone(this_thread())); }};
    ASSERT_EQ(late.wait(), test::exited(0)) << "the " << i << "th";
  }
  EXPECT_GT(bury_the_dead(), 0);
  EXPECT_EQ(bury_the_dead(), 0);
}

TEST(Threads, HaveTagsOfTheirOwn) {
  const ThreadTag mine = this_thread();
  EXPECT_EQ(this_thread(), mine);
  EXPECT_FALSE(thread_gone(mine));
  EXPECT_EQ(process_of(mine), this_process());
  ThreadTag other = 0;
  std::thread{[&] { other = this_thread(); }}.join();
  EXPECT_NE(other, mine);
  EXPECT_TRUE(thread_gone(other));
  EXPECT_FALSE(process_gone(other)) << "its process lives";
  EXPECT_EQ(process_of(other), this_process());
  ThreadTag next = 0;
  std::thread{[&] { next = this_thread(); }}.join();
  EXPECT_NE(next, other);
  EXPECT_EQ(thread_index(next), thread_index(other)) << "an entry is used again by its process";
}

TEST(Threads, AreGoneWithTheirKilledProcess) {
  test::Shared<ThreadTag> tag_of_child{0u};
  test::Signal told;
  const ProcessId id = enter_child();
  Child child{[&] {
    become(id);
    *tag_of_child = this_thread();
    told.raise();
    ::pause();
  }};
  told.await();
  const ThreadTag tag = *tag_of_child;
  EXPECT_FALSE(thread_gone(tag));
  EXPECT_FALSE(process_gone(tag));
  const LeaseView lease = lease_of(tag);
  ASSERT_NE(lease.word, nullptr);
  child.kill();
  EXPECT_TRUE(thread_gone(tag));
  EXPECT_TRUE(process_gone(tag));
  EXPECT_EQ(lease_of(tag).word, nullptr);
  bury(id);
  EXPECT_TRUE(process_gone(tag));
}

}  // namespace
}  // namespace mp::memory
