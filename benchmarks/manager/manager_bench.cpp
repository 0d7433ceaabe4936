// SPDX-License-Identifier: Apache-2.0
// What a call of a manager's server costs, beside a ping-pong of equal bytes over a raw socket pair
// between two processes.
#include <array>
#include <benchmark/benchmark.h>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mp/manager.hpp"

#include "support/latency.hpp"
#include "support/registry.hpp"

namespace mp::bench {
namespace {

// The frames of dict.set(int, int), and of the answer.
constexpr std::size_t kRequest = 4 + 13 + 8 + 4 + 11 + 4 + 2 * (20 + 4);
constexpr std::size_t kReply = 4 + 9;

void read_all(int fd, char* to, std::size_t size) {
  while (size != 0) {
    const ssize_t got = ::read(fd, to, size);
    if (got <= 0) {
      ::_exit(0);
    }
    to += got;
    size -= static_cast<std::size_t>(got);
  }
}

void raw_ping_pong(benchmark::State& state) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    state.SkipWithError("socketpair");
    return;
  }
  const pid_t child = ::fork();
  std::array<char, kRequest> buffer{};
  if (child == 0) {
    ::close(ends[0]);
    for (;;) {
      read_all(ends[1], buffer.data(), kRequest);
      if (::write(ends[1], buffer.data(), kReply) != static_cast<ssize_t>(kReply)) {
        ::_exit(1);
      }
    }
  }
  ::close(ends[1]);
  for (auto _ : state) {
    if (::write(ends[0], buffer.data(), kRequest) != static_cast<ssize_t>(kRequest)) {
      state.SkipWithError("write");
      break;
    }
    read_all(ends[0], buffer.data(), kReply);
  }
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  state.SetItemsProcessed(state.iterations());
}

void call(benchmark::State& state, const Address& address) {
  Manager manager{{.address = address}};
  manager.start();
  const auto dict = manager.dict<int, int>();
  const auto once = [&] { dict.set(1, 2); };
  for (auto _ : state) {
    once();
  }
  report_latency(state, once);
  state.SetItemsProcessed(state.iterations());
}

void pipelined(benchmark::State& state, int depth) {
  const Manager manager;
  const auto dict = manager.dict<int, int>();
  std::vector<PendingCall<void>> calls;
  for (auto _ : state) {
    calls.clear();
    for (int i = 0; i < depth; ++i) {
      calls.push_back(dict.raw().call_async("__setitem__", i, 2));
    }
    for (auto& each : calls) {
      each.get();
    }
  }
  state.SetItemsProcessed(state.iterations() * depth);
}

void create_proxy(benchmark::State& state, const Address& address) {
  Manager manager{{.address = address}};
  manager.start();
  for (auto _ : state) {
    benchmark::DoNotOptimize(manager.dict<int, int>());
  }
  state.SetItemsProcessed(state.iterations());
}

class Counter {
 public:
  int add(int amount) { return sum_ += amount; }

 private:
  int sum_ = 0;
};

// A class of the user's, on a thread of the server's pool.
void call_of_a_class(benchmark::State& state) {
  BaseManager manager;
  manager.register_type<Counter>("Counter").method("add", &Counter::add);
  manager.start();
  const Proxy counter = manager.create("Counter");
  for (auto _ : state) {
    benchmark::DoNotOptimize(counter.call<int>("add", 1));
  }
  state.SetItemsProcessed(state.iterations());
}

}  // namespace
}  // namespace mp::bench

int main(int argc, char** argv) {
  using namespace mp::bench;
  const auto on_both = [](const std::string& name, auto body) {
    add(name + "/mp_unix", [body](auto& state) { body(state, mp::Address{}); });
    add(name + "/mp_tcp", [body](auto& state) { body(state, mp::tcp("127.0.0.1", 0)); });
  };
  on_both("manager/call/dict_set", call);
  on_both("manager/create_proxy/dict", create_proxy);
  add("manager/call/dict_set/socketpair", raw_ping_pong);
  for (const int depth : {100, 1000}) {
    add("manager/pipelined/" + std::to_string(depth) + "/mp_unix",
        [depth](auto& state) { pipelined(state, depth); });
  }
  add("manager/call/class_method/mp_unix", call_of_a_class);
  return run(argc, argv);
}
