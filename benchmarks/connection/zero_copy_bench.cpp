// SPDX-License-Identifier: Apache-2.0
// What a long message costs that is handed over and not copied, beside a short one; and connections
// over sockets beside the bare sockets. Each benchmark has a forked peer on the other CPU.
//
//   Short        64 bytes there and back
//   HandedOver   a message of 1 MiB there and back, in the same memory
//   Lent         1 MiB of fresh memory there, 64 bytes back
//   Copied       1 MiB there by send_bytes and recv_bytes, 64 bytes back
//   Socket       64 bytes there and back
#include <algorithm>
#include <array>
#include <benchmark/benchmark.h>
#include <thread>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

#include "mp/connection.hpp"

#include "peer.hpp"

namespace {

constexpr std::size_t kLong = 1 << 20;
using Short = std::array<std::byte, 64>;

// Runs `body` for ever on the other CPU.
class Peer {
 public:
  template <class F>
  explicit Peer(F&& body)
      : peer_{false, [&] {
                for (;;) {
                  body();
                }
              }} {}

 private:
  mp::bench::Peer peer_;
};

void BM_Pipe_Short(benchmark::State& state) {
  const auto ends = mp::Pipe();
  const Peer peer{[end = ends.second] {
    Short message;
    end.recv_bytes_into(message);
    end.send_bytes(message);
  }};
  Short message{};
  for (auto _ : state) {
    ends.first.send_bytes(message);
    ends.first.recv_bytes_into(message);
  }
}

void BM_Pipe_HandedOver(benchmark::State& state) {
  const auto ends = mp::Pipe();
  const Peer peer{[end = ends.second] { end.send_zero_copy(mp::Loan{end.recv_view()}); }};
  mp::Loan loan{kLong};
  for (auto _ : state) {
    ends.first.send_zero_copy(std::move(loan));
    loan = mp::Loan{ends.first.recv_view()};
  }
}

void BM_Pipe_Lent(benchmark::State& state) {
  const auto ends = mp::Pipe();
  const Peer peer{[end = ends.second] {
    benchmark::DoNotOptimize(end.recv_view().bytes().data());
    end.send_bytes(Short{});
  }};
  Short answer{};
  for (auto _ : state) {
    ends.first.send_zero_copy(mp::Loan{kLong});
    ends.first.recv_bytes_into(answer);
  }
}

void BM_Pipe_Copied(benchmark::State& state) {
  const auto ends = mp::Pipe();
  const Peer peer{[end = ends.second, message = mp::Bytes(kLong)]() mutable {
    end.recv_bytes_into(message);
    end.send_bytes(Short{});
  }};
  const mp::Bytes message(kLong);
  Short answer{};
  for (auto _ : state) {
    ends.first.send_bytes(message);
    ends.first.recv_bytes_into(answer);
  }
}

void BM_Connection_Socket(benchmark::State& state, const mp::Address& address) {
  const mp::Listener listener{address};
  mp::Connection client;
  std::thread other{[&] { client = mp::Client(listener.address()); }};
  const mp::Connection server = listener.accept();
  other.join();
  const Peer peer{[&] {
    Short message;
    client.recv_bytes_into(message);
    client.send_bytes(message);
  }};
  Short message{};
  for (auto _ : state) {
    server.send_bytes(message);
    server.recv_bytes_into(message);
  }
}

void BM_Socketpair_Socket(benchmark::State& state) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
    std::abort();
  }
  {
    const Peer peer{[&] {
      Short message;
      if (read(ends[1], message.data(), message.size()) <= 0 ||
          write(ends[1], message.data(), message.size()) <= 0) {
        _exit(1);
      }
    }};
    Short message{};
    for (auto _ : state) {
      if (write(ends[0], message.data(), message.size()) <= 0 ||
          read(ends[0], message.data(), message.size()) <= 0) {
        std::abort();
      }
    }
  }
  close(ends[0]);
  close(ends[1]);
}

void BM_Listener_Handshake(benchmark::State& state) {
  const mp::Listener listener{mp::tcp("127.0.0.1", 0), {.authkey = "secret"}};
  const Peer peer{[&] {
    static_cast<void>(
        mp::Client(listener.address(), {.authkey = "secret"}).poll(mp::Deadline::never()));
  }};
  for (auto _ : state) {
    listener.accept().close();
  }
}

BENCHMARK(BM_Pipe_Short)->UseRealTime();
BENCHMARK(BM_Pipe_HandedOver)->UseRealTime();
BENCHMARK(BM_Pipe_Lent)->UseRealTime();
BENCHMARK(BM_Pipe_Copied)->UseRealTime();
BENCHMARK_CAPTURE(BM_Connection_Socket, tcp, mp::tcp("127.0.0.1", 0))->UseRealTime();
BENCHMARK_CAPTURE(BM_Connection_Socket, unix_socket, mp::Address{})->UseRealTime();
BENCHMARK(BM_Socketpair_Socket)->UseRealTime();
BENCHMARK(BM_Listener_Handshake)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
