// SPDX-License-Identifier: Apache-2.0
// The rarer states of a pipe under the kill harness: messages of 1 MiB, an empty pipe in which the
// victim sleeps, and the last reader closing on what nobody received.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <unistd.h>

#include "mp/connection.hpp"
#include "mp/errors/error.hpp"

#include "harness/kill_harness.hpp"
#include "memory/allocator.hpp"
#include "memory/processes.hpp"

namespace mp::crash {
namespace {

using namespace std::chrono_literals;

// glibc copies a megabyte by one `rep movsb`, which is a million steps for the harness. Told before
// it starts that this does not pay, it copies by a loop of some ten thousand.
[[maybe_unused]] const bool copies_in_loops = [] {
  constexpr const char* kVariable = "GLIBC_TUNABLES";
  constexpr const char* kValue = "glibc.cpu.x86_rep_movsb_threshold=0x10000000";
  if (const char* now = std::getenv(kVariable); now != nullptr && std::string_view{now} == kValue) {
    return true;
  }
  std::vector<std::string> words;
  std::string word;
  if (FILE* line = std::fopen("/proc/self/cmdline", "re")) {
    for (int c = std::fgetc(line); c != EOF; c = std::fgetc(line)) {
      if (c != '\0') {
        word.push_back(static_cast<char>(c));
      } else {
        words.push_back(std::exchange(word, {}));
      }
    }
    std::fclose(line);
  }
  std::vector<char*> arguments;
  for (std::string& each : words) {
    arguments.push_back(each.data());
  }
  arguments.push_back(nullptr);
  ::setenv(kVariable, kValue, 1);
  ::execv("/proc/self/exe", arguments.data());
  return false;
}();

constexpr std::size_t kLarge = 1 << 20;
constexpr std::size_t kBlock = 20 << 10;
constexpr std::size_t kSmall = 64;

Connection reader;
Connection writer;
std::uint64_t blocks = 0;
std::vector<std::byte> large(kLarge, std::byte{7});
std::vector<std::byte> received(kLarge);

Plan long_plan() {
  Plan plan = Plan::from_environment();
  plan.steps = 2'000'000;
  plan.visits = 8;
  return plan;
}

void open_pipe() {
  memory::bury_the_dead();
  blocks = memory::heap_use().blocks;
  std::tie(reader, writer) = Pipe(simplex);
}

void close_pipe() {
  reader = {};
  writer = {};
  memory::bury_the_dead();
  check(memory::heap_use().blocks == blocks, "blocks are left in the arena");
}

void check_whole(const Bytes& message) {
  check(message.size() == kLarge || message.size() == kSmall, "a message of a wrong length");
  check(std::all_of(message.begin(), message.end(), [](std::byte b) { return b == std::byte{7}; }),
        "a torn message");
}

// At least `least` and at most `most` messages are inside, whole; then the pipe works.
std::function<void()> balance(int least, int most) {
  return [=] {
    int count = 0;
    for (; reader.poll(); ++count) {
      check_whole(reader.recv_bytes());
    }
    check(count >= least, "a message is lost");
    check(count <= most, "a message came twice");
    for (const std::size_t size : {kSmall, kLarge}) {
      writer.send_bytes({large.data(), size});
      check(reader.poll(1s), "a message that was sent is not there");
      check_whole(reader.recv_bytes());
    }
  };
}

Operation sending(const std::string& state, int before) {
  return {.name = "Pipe.send",
          .state = state,
          .setup =
              [=] {
                open_pipe();
                for (int i = 0; i < before; ++i) {
                  writer.send_bytes(large);
                }
              },
          .teardown = close_pipe,
          .warm = [] { static_cast<void>(writer.writable()); },
          .run = [] { writer.send_bytes(large); },
          .verify = balance(before, before + 2)};
}

TEST(LargePipeKill, SendsOneMebibyte) {
  expect_survival(kill_one(sending("empty, 1 MiB", 0), long_plan()));
  expect_survival(kill_one(sending("part full, 1 MiB", 2), long_plan()));
}

TEST(LargePipeKill, ReceivesOneMebibyte) {
  Operation operation = sending("part full, 1 MiB", 4);
  operation.name = "Pipe.recv";
  operation.run = [] { reader.recv_bytes_into(received); };
  operation.verify = balance(2, 4);
  expect_survival(kill_one(operation, long_plan()));
}

TEST(LargePipeKill, SleepsWhileThePipeIsEmpty) {
  for (const std::size_t size : {kSmall, kLarge}) {
    Operation operation = sending("empty, then " + std::to_string(size) + " bytes", 0);
    operation.name = "Pipe.recv";
    operation.run = [] { reader.recv_bytes_into(received); };
    operation.when_asleep = [=] { writer.send_bytes({large.data(), size}); };
    operation.verify = balance(0, 2);
    expect_survival(kill_one(operation, long_plan()));
  }
}

TEST(LargePipeKill, ClosesTheLastReader) {
  // The victim alone holds the reading end of a second pipe, whose writing end it has sent.
  static Connection last;
  Operation operation = sending("last reader, messages inside", 0);
  operation.name = "Pipe.close";
  operation.warm = [] {
    Connection other;
    std::tie(last, other) = Pipe(simplex);
    other.send_bytes({large.data(), kSmall});
    other.send_bytes({large.data(), kBlock});
    writer.send(other);
  };
  operation.run = [] { last.close(); };
  operation.verify = [] {
    while (auto end = reader.try_recv<Connection>()) {
      try {
        // There is room for some; then the end must be seen.
        for (int i = 0; i < 100; ++i) {
          check(end->try_send_for(std::string(1000, 'x'), 1500ms), "no end of file");
        }
        throw Broken{"messages go to nobody"};
      } catch (const EOFError&) {
      }
    }
  };
  expect_survival(operation);
}

}  // namespace
}  // namespace mp::crash
