// SPDX-License-Identifier: Apache-2.0
// What a call of a manager's server costs, beside a ping-pong of equal bytes over a raw socket pair
// between two processes, and beside CPython against CPython (cpython_manager.py).
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

void BM_Raw_PingPong(benchmark::State& state) {
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
BENCHMARK(BM_Raw_PingPong)->UseRealTime();

void set_in_turn(benchmark::State& state, const mp::SyncManager& manager) {
  const auto dict = manager.dict<int, int>();
  for (auto _ : state) {
    dict.set(1, 2);
  }
  state.SetItemsProcessed(state.iterations());
}

void BM_Manager_Call(benchmark::State& state) {
  const mp::Manager manager;
  set_in_turn(state, manager);
}
BENCHMARK(BM_Manager_Call)->UseRealTime();

void BM_Manager_CallOverTcp(benchmark::State& state) {
  mp::Manager manager{{.address = mp::tcp("127.0.0.1", 0)}};
  manager.start();
  set_in_turn(state, manager);
}
BENCHMARK(BM_Manager_CallOverTcp)->UseRealTime();

void BM_Manager_PipelinedCalls(benchmark::State& state) {
  const mp::Manager manager;
  const auto dict = manager.dict<int, int>();
  const int depth = static_cast<int>(state.range(0));
  std::vector<mp::PendingCall<void>> calls;
  for (auto _ : state) {
    calls.clear();
    for (int i = 0; i < depth; ++i) {
      calls.push_back(dict.raw().call_async("__setitem__", i, 2));
    }
    for (auto& call : calls) {
      call.get();
    }
  }
  state.SetItemsProcessed(state.iterations() * depth);
}
BENCHMARK(BM_Manager_PipelinedCalls)->Arg(100)->Arg(1000)->UseRealTime();

void BM_Manager_CreateProxy(benchmark::State& state) {
  mp::Manager manager{{.address = state.range(0) == 0 ? mp::Address{} : mp::tcp("127.0.0.1", 0)}};
  manager.start();
  for (auto _ : state) {
    benchmark::DoNotOptimize(manager.dict<int, int>());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Manager_CreateProxy)->ArgName("tcp")->Arg(0)->Arg(1)->UseRealTime();

class Counter {
 public:
  int add(int amount) { return sum_ += amount; }

 private:
  int sum_ = 0;
};

// A class of the user's, on a thread of the server's pool.
void BM_Manager_CallOfAClass(benchmark::State& state) {
  mp::BaseManager manager;
  manager.register_type<Counter>("Counter").method("add", &Counter::add);
  manager.start();
  const mp::Proxy counter = manager.create("Counter");
  for (auto _ : state) {
    benchmark::DoNotOptimize(counter.call<int>("add", 1));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Manager_CallOfAClass)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
