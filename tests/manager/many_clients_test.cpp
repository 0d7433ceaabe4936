// SPDX-License-Identifier: Apache-2.0
// Ten thousand clients that all wait, as far as the limits of descriptors let there be so many.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <gtest/gtest.h>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <sys/resource.h>

#include "mp/codec.hpp"
#include "mp/connection.hpp"
#include "mp/manager.hpp"
#include "mp/process.hpp"

#include "manager/protocol_layout.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using layout::Op;

// As many clients as there can be here, each with two descriptors in this process: its socket, and
// what wakes it when it is closed.
std::size_t most_clients() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  constexpr std::size_t kWanted = 10'000;
  constexpr std::size_t kOthers = 100;
  return std::min<std::size_t>(kWanted, (limit.rlim_max - kOthers) / 2);
}

// A client without anything of this library's but its wire: one connection for each.
class RawClient {
 public:
  explicit RawClient(const Address& address) : connection_{Client(address, {.authkey = "key"})} {
    connection_.send_bytes(std::as_bytes(std::span{layout::kAskForNative}));
    (void)connection_.recv_bytes();
  }
  void send(Op op, std::uint64_t object = 0, std::string_view method = {}) const {
    Writer out;
    out.write_raw(std::uint64_t{1});
    out.write_raw(op);
    out.write_raw(std::uint32_t{1});
    if (op == Op::call) {
      out.write_raw(object);
      layout::write_text(out, method);
      out.write_raw(std::uint32_t{0});
    }
    connection_.send_bytes(out.written());
  }
  // Whether an answer without an error comes within the time.
  bool answered(std::chrono::milliseconds limit) { return !answer(limit).empty(); }
  // The number that is answered; nothing if there is none in time.
  std::optional<int> number(std::chrono::milliseconds limit) {
    const Bytes reply = answer(limit);
    constexpr std::size_t kHead = layout::kReplyHead + layout::kItemHead;
    if (reply.size() != kHead + sizeof(int)) {
      return std::nullopt;
    }
    return detail::read_item_bytes<int>(ByteView{reply}.subspan(kHead));
  }

 private:
  Bytes answer(std::chrono::milliseconds limit) {
    if (!connection_.poll(limit)) {
      return {};
    }
    Bytes reply = connection_.recv_bytes();
    const auto kind = static_cast<layout::ReplyKind>(reply.at(sizeof(std::uint64_t)));
    return kind == layout::ReplyKind::error ? Bytes{} : reply;
  }

  Connection connection_;
};

long number_in_status(int pid, const std::string& field) {
  std::ifstream in{"/proc/" + std::to_string(pid) + "/status"};
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(field + ":")) {
      return std::stol(line.substr(field.size() + 1));
    }
  }
  return -1;
}

// A server of a lock and a queue, and clients that all wait for one of them.
class ManyClients : public testing::Test {
 protected:
  ManyClients() : manager{{.authkey = "key", .start = StartMethod::fork}} {
    manager.register_object<LockProxy>("lock");
    manager.register_object<QueueProxy<int>>("queue");
    manager.start();
    server = active_children().at(0).pid().value();
  }
  void let_wait(std::uint64_t object, std::string_view method) {
    const std::size_t count = most_clients();
    clients.reserve(count);
    for (std::size_t i = 0; i != count; ++i) {
      clients.emplace_back(manager.address());
      clients.back().send(Op::call, object, method);
    }
  }
  // Who comes now is served, and all of it takes little. What the time is, is for people.
  void expect_room_for_more(const char* what) const {
    std::vector<std::chrono::nanoseconds> times;
    for (int i = 0; i != 21; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      RawClient fresh{manager.address()};
      fresh.send(Op::ping);
      ASSERT_TRUE(fresh.answered(10s));
      times.push_back(std::chrono::steady_clock::now() - begin);
    }
    std::nth_element(times.begin(), times.begin() + 10, times.end());
    const long kib = number_in_status(server, "VmRSS");
    const long threads = number_in_status(server, "Threads");
    std::printf(
        "%zu clients in %s: %ld MiB, %ld threads; a new one served in %ld us (median; "
        "wanted: below 5000)\n",
        clients.size(), what, kib / 1024, threads, static_cast<long>(times[10].count() / 1000));
    EXPECT_LT(kib, 500 * 1024);
    EXPECT_LT(threads, 32);
  }

  SyncManager manager;
  int server = 0;
  std::vector<RawClient> clients;
};

TEST_F(ManyClients, WaitForALockInOrder) {
  const auto lock = manager.get<LockProxy>("lock");
  const std::uint64_t id = lock.raw().token().id;
  lock.acquire();
  let_wait(id, "acquire");
  expect_room_for_more("lock.acquire");
  lock.release();
  for (RawClient& each : clients) {
    ASSERT_TRUE(each.answered(20s));  // and nobody else has it
    each.send(Op::call, id, "release");
    ASSERT_TRUE(each.answered(20s));
  }
  EXPECT_TRUE(lock.acquire(20s));
  lock.release();
}

TEST_F(ManyClients, WaitForAQueueInOrder) {
  const auto queue = manager.get<QueueProxy<int>>("queue");
  let_wait(queue.raw().token().id, "get");
  expect_room_for_more("queue.get");
  std::vector<int> numbers(clients.size());
  std::iota(numbers.begin(), numbers.end(), 0);
  queue.put_many(numbers);
  for (const int each : numbers) {
    ASSERT_EQ(clients[static_cast<std::size_t>(each)].number(20s), each);
  }
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace mp
