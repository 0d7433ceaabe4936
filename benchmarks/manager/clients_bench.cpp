// SPDX-License-Identifier: Apache-2.0
// A manager's server with more and more clients that all wait for one lock: what it takes, and how
// long one who comes then waits for an answer.
#include <algorithm>
#include <benchmark/benchmark.h>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

#include "mp/connection.hpp"
#include "mp/manager.hpp"
#include "mp/process.hpp"

#include "manager/protocol_layout.hpp"
#include "support/messages.hpp"
#include "support/registry.hpp"

namespace mp::bench {
namespace {

// A connection of its own that speaks the wire of one: a proxy would share this process'
// connection.
Connection dial(const Address& address) {
  Connection connection = Client(address, {.authkey = "key"});
  connection.send_bytes(std::as_bytes(std::span{layout::kAskForNative}));
  static_cast<void>(connection.recv_bytes());
  return connection;
}

void ask(const Connection& connection, layout::Op op, std::uint64_t object = 0,
         std::string_view method = {}) {
  Writer out;
  out.write_raw(std::uint64_t{1});
  out.write_raw(op);
  out.write_raw(std::uint32_t{1});
  if (op == layout::Op::call) {
    out.write_raw(object);
    layout::write_text(out, method);
    out.write_raw(std::uint32_t{0});
  }
  connection.send_bytes(out.written());
}

double in_status(int pid, const std::string& field) {
  std::ifstream in{"/proc/" + std::to_string(pid) + "/status"};
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(field + ":")) {
      return std::stod(line.substr(field.size() + 1));
    }
  }
  return -1;
}

// As many descriptors as this process may have, here and in the server that it starts.
void allow_descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// Clients that wait for a lock, in processes of their own: each takes two descriptors.
class Crowd {
 public:
  Crowd(const Address& address, std::uint64_t lock, std::size_t count) {
    int processes = 0;
    for (std::size_t done = 0; done < count; done += kEach, ++processes) {
      peers_.push_back(std::make_unique<Peer>([&, mine = std::min(kEach, count - done)] {
        std::vector<Connection> waiting;
        for (std::size_t i = 0; i != mine; ++i) {
          waiting.push_back(dial(address));
          ask(waiting.back(), layout::Op::call, lock, "acquire");
        }
        gun_.done();
        ::pause();
      }));
    }
    gun_.fire(processes);
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;
  ~Crowd() {
    for (const auto& peer : peers_) {
      peer->kill();
    }
  }

 private:
  static constexpr std::size_t kEach = 4000;

  Gun gun_;
  std::vector<std::unique_ptr<Peer>> peers_;
};

void clients(benchmark::State& state, std::size_t count) {
  using Clock = std::chrono::steady_clock;
  allow_descriptors();
  SyncManager manager{{.authkey = "key", .start = StartMethod::fork}};
  manager.register_object<LockProxy>("lock");
  manager.start();
  const int server = active_children().at(0).pid().value();
  const auto lock = manager.get<LockProxy>("lock");
  lock.acquire();
  const Crowd waiting{manager.address(), lock.raw().token().id, count};
  std::vector<double> times;
  for (auto _ : state) {
    const auto begin = Clock::now();
    const Connection fresh = dial(manager.address());
    ask(fresh, layout::Op::ping);
    static_cast<void>(fresh.recv_bytes());
    const std::chrono::duration<double> took = Clock::now() - begin;
    state.SetIterationTime(took.count());
    times.push_back(took.count() * 1e9);
  }
  report_percentiles(state, std::move(times));
  state.counters["server_MiB"] = in_status(server, "VmRSS") / 1024;
  state.counters["server_threads"] = in_status(server, "Threads");
  lock.release();
}

}  // namespace
}  // namespace mp::bench

int main(int argc, char** argv) {
  using namespace mp::bench;
  for (const std::size_t number : {1, 10, 100, 1'000, 10'000}) {
    if (number <= (quick() ? 100 : 10'000)) {
      add_manual("manager/clients/" + count(number) + "/mp", [number](auto& state) {
        clients(state, number);
      })->Iterations(51);
    }
  }
  return run(argc, argv);
}
