// SPDX-License-Identifier: Apache-2.0
// What a long message costs that is handed over and not copied; and connections over sockets beside
// the bare sockets. Each benchmark has a peer on the other CPU.
//
//   pipe/round_trip/1MiB/mp_handed_over   a message there and back, in the same memory
//   pipe/there/1MiB/mp_lent               fresh memory there, 64 bytes back
//   pipe/there/1MiB/mp                    there by send_bytes and recv_bytes, 64 bytes back
#include <array>
#include <benchmark/benchmark.h>
#include <string>
#include <thread>
#include <utility>

#include "mp/connection.hpp"

#include "baseline/posix_channels.hpp"
#include "support/messages.hpp"
#include "support/registry.hpp"

namespace mp::bench {
namespace {

constexpr std::size_t kLong = 1 << 20;
using Short = std::array<std::byte, 64>;

// Runs `body` for ever on the other CPU, while this process stays on the first.
class Other {
 public:
  template <class F>
  explicit Other(F&& body)
      : peer_{[&] {
          pin(cpu_of(placements().front(), 1));
          for (;;) {
            body();
          }
        }} {}
  Other(const Other&) = delete;
  Other& operator=(const Other&) = delete;
  ~Other() { peer_.kill(); }

 private:
  Peer peer_;
  Pinned here_{cpu_of(Placement::one_cpu, 0)};
};

template <class Once>
void repeat(benchmark::State& state, const Once& once) {
  for (auto _ : state) {
    once();
  }
  report_latency(state, once);
}

void handed_over(benchmark::State& state) {
  const auto ends = Pipe();
  const Other other{[end = ends.second] { end.send_zero_copy(Loan{end.recv_view()}); }};
  Loan loan{kLong};
  repeat(state, [&] {
    ends.first.send_zero_copy(std::move(loan));
    loan = Loan{ends.first.recv_view()};
  });
}

void lent(benchmark::State& state) {
  const auto ends = Pipe();
  const Other other{[end = ends.second] {
    benchmark::DoNotOptimize(end.recv_view().bytes().data());
    end.send_bytes(Short{});
  }};
  Short answer{};
  repeat(state, [&] {
    ends.first.send_zero_copy(Loan{kLong});
    ends.first.recv_bytes_into(answer);
  });
}

void copied(benchmark::State& state) {
  const auto ends = Pipe();
  const Other other{[end = ends.second, message = Bytes(kLong)]() mutable {
    end.recv_bytes_into(message);
    end.send_bytes(Short{});
  }};
  const Bytes message(kLong);
  Short answer{};
  repeat(state, [&] {
    ends.first.send_bytes(message);
    ends.first.recv_bytes_into(answer);
  });
}

void exchange(benchmark::State& state, const Address& address) {
  const Listener listener{address};
  Connection client;
  std::thread dialling{[&] { client = Client(listener.address()); }};
  const Connection server = listener.accept();
  dialling.join();
  const Other other{[&] {
    Short message;
    client.recv_bytes_into(message);
    client.send_bytes(message);
  }};
  Short message{};
  repeat(state, [&] {
    server.send_bytes(message);
    server.recv_bytes_into(message);
  });
}

void handshake(benchmark::State& state) {
  const Listener listener{tcp("127.0.0.1", 0), {.authkey = "secret"}};
  const Other other{[&] {
    static_cast<void>(Client(listener.address(), {.authkey = "secret"}).poll(Deadline::never()));
  }};
  for (auto _ : state) {
    listener.accept().close();
  }
}

}  // namespace
}  // namespace mp::bench

int main(int argc, char** argv) {
  using namespace mp::bench;
  const std::string place = suffix(placements().front());
  add("pipe/round_trip/1MiB/mp_handed_over" + place, handed_over);
  add("pipe/there/1MiB/mp_lent" + place, lent);
  add("pipe/there/1MiB/mp" + place, copied);
  add("socket/round_trip/64B/mp_tcp" + place,
      [](auto& state) { exchange(state, mp::tcp("127.0.0.1", 0)); });
  add("socket/round_trip/64B/mp_unix" + place, [](auto& state) { exchange(state, mp::Address{}); });
  add("socket/round_trip/64B/socketpair" + place,
      [](auto& state) { round_trip<TwoWay<Socketpair>, 64>(state, placements().front()); });
  add("socket/handshake/-/mp_tcp" + place, handshake);
  return run(argc, argv);
}
