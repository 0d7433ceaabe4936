// SPDX-License-Identifier: Apache-2.0
// Waiting for several things under the kill harness: who is killed at any instruction of a wait
// keeps nobody else from what he waits for, and leaves everything as it was.
#include <chrono>
#include <functional>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "mp/codec.hpp"
#include "mp/connection.hpp"
#include "mp/errors/error.hpp"
#include "mp/queue.hpp"
#include "mp/sync.hpp"

#include "harness/kill_harness.hpp"
#include "memory/allocator.hpp"
#include "memory/processes.hpp"

namespace mp::crash {
namespace {

using namespace std::chrono_literals;

// New in each trial, and the number of blocks before they were made.
struct Scene {
  Connection reader;
  Connection writer;
  Queue<int> queue;
  Event event;

  Scene() { std::tie(reader, writer) = Pipe(simplex); }
};
std::optional<Scene> scene;
std::uint64_t blocks = 0;

void open_scene() {
  memory::bury_the_dead();
  blocks = memory::heap_use().blocks;
  scene.emplace();
}

void close_scene() {
  scene.reset();
  memory::bury_the_dead();
  check(memory::heap_use().blocks == blocks, "blocks are left in the arena");
}

void wait_for_all() {
  static_cast<void>(wait({scene->reader, scene->queue, scene->event}));
}

// First uses belong to no operation.
void warm() {
  static_cast<void>(wait({scene->reader, scene->queue, scene->event}, 0s));
}

// Everything must work as if nobody had ever waited.
void verify_all() {
  scene->writer.send(7);
  check(wait({scene->reader}, 1s).size() == 1, "a message does not end a wait");
  while (scene->reader.recv<int>() != 7) {
  }
  scene->queue.put(7);
  check(!wait({scene->queue}, 1s).empty(), "an item does not end a wait");
  while (scene->queue.try_get()) {
  }
  scene->event.set();
  check(wait({scene->event}, 1s).size() == 1, "an event does not end a wait");
}

Operation waiting(const std::string& state, std::function<void()> when_asleep) {
  return {
      .name = "wait",
      .state = state,
      .setup = open_scene,
      .teardown = close_scene,
      .warm = warm,
      .run = wait_for_all,
      .when_asleep = std::move(when_asleep),
      .verify = verify_all,
  };
}

TEST(WaitKill, EndsWithAMessage) {
  expect_survival(waiting("a message comes", [] { scene->writer.send(1); }));
}

TEST(WaitKill, EndsWithAnEvent) {
  expect_survival(waiting("an event is set", [] { scene->event.set(); }));
}

// A put wakes one sleeper, and that may be the victim.
TEST(WaitKill, LeavesTheItemToTheGetter) {
  Operation operation = waiting("an item comes, a getter asleep", [] { scene->queue.put(1); });
  operation.waiters = {[] { static_cast<void>(scene->queue.get()); }};
  operation.second = [] { scene->queue.put(1); };
  operation.owed = [] { return scene->queue.qsize() != 0; };
  operation.verify = [] {
    scene->queue.put(2);
    scene->queue.put(3);
    check(!wait({scene->queue}, 1s).empty(), "an item does not end a wait");
    static_cast<void>(scene->queue.get());
  };
  expect_survival(operation);
}

// The first waiter may be killed as well, when the first death woke it.
TEST(WaitKill, LeavesTheMessageToTheOther) {
  Operation operation = waiting("a message comes, another waiter", [] { scene->writer.send(1); });
  operation.waiters = {[] { check(!wait({scene->reader, scene->queue}).empty(), "nothing came"); }};
  operation.owed = [] { return scene->reader.poll(); };
  operation.verify = [] {
    verify_all();
    scene->writer.send(9);  // verify_all may have been quicker than the waiter
  };
  expect_survival(operation);
}

}  // namespace
}  // namespace mp::crash
