// SPDX-License-Identifier: Apache-2.0
// Pipe beside what else two processes could use: POSIX' pipes and sockets, and a bare ring pair
// that does nothing but spin or, on one CPU, yield.
#include <array>
#include <benchmark/benchmark.h>
#include <cstddef>
#include <utility>

#include "mp/connection.hpp"

#include "baseline/bare_ring.hpp"
#include "baseline/posix_channels.hpp"
#include "support/asleep.hpp"
#include "support/message_names.hpp"

namespace mp::bench {
namespace {

class MpPipe {
 public:
  using Party = Peer;
  MpPipe(std::size_t, Placement) {}
  void send(const void* from, std::size_t size) {
    ends_.first.send_bytes({static_cast<const std::byte*>(from), size});
  }
  void take(void* to, std::size_t size) {
    ends_.second.recv_bytes_into({static_cast<std::byte*>(to), size});
  }
  void answer(const void* from, std::size_t size) {
    ends_.second.send_bytes({static_cast<const std::byte*>(from), size});
  }
  void recv(void* to, std::size_t size) {
    ends_.first.recv_bytes_into({static_cast<std::byte*>(to), size});
  }

 private:
  std::pair<Connection, Connection> ends_ = Pipe();
};

template <class Way, class Sizes>
void add_way(const std::string& impl, Sizes sizes) {
  add_round_trips<Way>("pipe", impl, sizes);
  add_streams<Way>("pipe", impl, sizes);
}

void create(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(Pipe());
  }
}

void put_and_get_bytes(benchmark::State& state) {
  auto [a, b] = Pipe();
  std::array<std::byte, 64> message{};
  for (auto _ : state) {
    a.send_bytes(message);
    b.recv_bytes_into(message);
  }
}

void put_and_get_typed(benchmark::State& state) {
  auto [a, b] = Pipe();
  for (auto _ : state) {
    a.send(42);
    benchmark::DoNotOptimize(b.recv<int>());
  }
}

}  // namespace
}  // namespace mp::bench

int main(int argc, char** argv) {
  using namespace mp::bench;
  add_way<MpPipe>("mp", UpTo64MiB{});
  add_asleep<MpPipe>("pipe", "mp");
  add("pipe/create/-/mp", create);
  add("pipe/put_and_get/64B/mp", put_and_get_bytes);
  add("pipe/put_and_get/int/mp", put_and_get_typed);

  add_way<TwoWay<BareRing>>("bare_ring", UpTo64MiB{});
  add_way<TwoWay<PosixPipe>>("posix_pipe", UpTo64MiB{});
  add_asleep<TwoWay<PosixPipe>>("pipe", "posix_pipe");
  add_way<TwoWay<Socketpair>>("socketpair", UpTo64MiB{});
  add_way<TwoWay<Seqpacket>>("seqpacket", UpTo64KiB{});
  add_way<TwoWay<PosixFifo>>("posix_fifo", Only64{});
  return run(argc, argv);
}
