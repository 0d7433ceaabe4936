// SPDX-License-Identifier: Apache-2.0
// Pipe beside what else two processes could use: a POSIX pipe, a socketpair, and a bare ring pair
// that does nothing but spin (or, on one CPU, yield). Each benchmark has a forked peer; the two
// sit on two CPUs (argument cpus:2) or on one (cpus:1).
//
//   RoundTrip    a message there and back; time is one round trip
//   Throughput   messages one way as fast as they go; the peer takes them
//   Copies       1 MiB messages one way: copied in, copied out
#include <algorithm>
#include <atomic>
#include <benchmark/benchmark.h>
#include <cstring>
#include <new>
#include <thread>
#include <vector>

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mp/connection.hpp"

#include "peer.hpp"

namespace {

using mp::bench::Peer;

using Message = std::array<std::byte, 64>;

// Single producer, single consumer, nothing else: no sleeping, no locks, nobody may die.
class BareRing {
 public:
  explicit BareRing(std::size_t size) : size_{size} {
    memory_ = static_cast<std::byte*>(
        mmap(nullptr, 256 + size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    std::memset(memory_, 0, 256 + size);
    head_ = ::new (memory_) std::atomic<std::uint64_t>{0};
    tail_ = ::new (memory_ + 128) std::atomic<std::uint64_t>{0};
  }
  BareRing(const BareRing&) = delete;
  BareRing& operator=(const BareRing&) = delete;
  ~BareRing() { munmap(memory_, 256 + size_); }

  // `size` divides the size of the ring.
  void put(const void* from, std::size_t size, bool yield) {
    const std::uint64_t tail = tail_->load(std::memory_order_relaxed);
    while (tail + size - other_ > size_) {
      other_ = head_->load(std::memory_order_acquire);
      rest(yield && tail + size - other_ > size_);
    }
    std::memcpy(memory_ + 256 + tail % size_, from, size);
    tail_->store(tail + size, std::memory_order_release);
  }
  void get(void* to, std::size_t size, bool yield) {
    const std::uint64_t head = head_->load(std::memory_order_relaxed);
    while (other_ - head < size || other_ < head) {
      other_ = tail_->load(std::memory_order_acquire);
      rest(yield && other_ == head);
    }
    std::memcpy(to, memory_ + 256 + head % size_, size);
    head_->store(head + size, std::memory_order_release);
  }

 private:
  static void rest(bool yield) {
    if (yield) {
      std::this_thread::yield();
    } else {
      __builtin_ia32_pause();
    }
  }

  std::size_t size_;
  std::byte* memory_;
  std::atomic<std::uint64_t>* head_;
  std::atomic<std::uint64_t>* tail_;
  std::uint64_t other_ = 0;
};

void write_all(int fd, const void* from, std::size_t size) {
  const auto* bytes = static_cast<const char*>(from);
  while (size != 0) {
    const ssize_t done = write(fd, bytes, size);
    if (done <= 0) {
      _exit(1);
    }
    bytes += done;
    size -= static_cast<std::size_t>(done);
  }
}
void read_all(int fd, void* to, std::size_t size) {
  auto* bytes = static_cast<char*>(to);
  while (size != 0) {
    const ssize_t done = read(fd, bytes, size);
    if (done <= 0) {
      _exit(1);
    }
    bytes += done;
    size -= static_cast<std::size_t>(done);
  }
}

// The four rivals behind one face: there, and back.
struct MpPipe {
  std::pair<mp::Connection, mp::Connection> ends = mp::Pipe();
  void send(const void* from, std::size_t size, bool) {
    ends.first.send_bytes({static_cast<const std::byte*>(from), size});
  }
  void take(void* to, std::size_t size, bool) {
    ends.second.recv_bytes_into({static_cast<std::byte*>(to), size});
  }
  void answer(const void* from, std::size_t size, bool) {
    ends.second.send_bytes({static_cast<const std::byte*>(from), size});
  }
  void recv(void* to, std::size_t size, bool) {
    ends.first.recv_bytes_into({static_cast<std::byte*>(to), size});
  }
};
struct BareRings {
  BareRing there{4 << 20};
  BareRing back{4 << 20};
  void send(const void* from, std::size_t size, bool one) { there.put(from, size, one); }
  void take(void* to, std::size_t size, bool one) { there.get(to, size, one); }
  void answer(const void* from, std::size_t size, bool one) { back.put(from, size, one); }
  void recv(void* to, std::size_t size, bool one) { back.get(to, size, one); }
};
struct Descriptors {
  int fds[4];
  Descriptors() = default;
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;
  ~Descriptors() {
    for (const int fd : fds) {
      close(fd);
    }
  }
  void send(const void* from, std::size_t size, bool) { write_all(fds[1], from, size); }
  void take(void* to, std::size_t size, bool) { read_all(fds[0], to, size); }
  void answer(const void* from, std::size_t size, bool) { write_all(fds[3], from, size); }
  void recv(void* to, std::size_t size, bool) { read_all(fds[2], to, size); }
};
struct PosixPipe : Descriptors {
  PosixPipe() {
    if (pipe(fds) != 0 || pipe(fds + 2) != 0) {
      std::abort();
    }
  }
};
struct Socketpair : Descriptors {
  Socketpair() {
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, fds + 2) != 0) {
      std::abort();
    }
  }
};

template <class Way>
void BM_RoundTrip(benchmark::State& state) {
  Way way;
  const bool one = state.range(0) == 1;
  const Peer peer{state.range(0) == 1, [&] {
                    Message message;
                    for (;;) {
                      way.take(&message, sizeof message, one);
                      way.answer(&message, sizeof message, one);
                    }
                  }};
  Message message{};
  for (auto _ : state) {
    way.send(&message, sizeof message, one);
    way.recv(&message, sizeof message, one);
  }
}

template <class Way>
void stream(benchmark::State& state, std::size_t size) {
  Way way;
  const bool one = state.range(0) == 1;
  const Peer peer{state.range(0) == 1, [&] {
                    std::vector<std::byte> message(size);
                    for (;;) {
                      way.take(message.data(), size, one);
                      // An empty message would do, but not for streams of bytes.
                      if (message[0] != std::byte{0}) {
                        way.answer(message.data(), size, one);
                      }
                    }
                  }};
  std::vector<std::byte> message(size);
  // Batches, with an answer at the end of each, so that what is counted was received.
  const int batch = size > 4096 ? 64 : 20'000;
  for (auto _ : state) {
    for (int i = 1; i < batch; ++i) {
      way.send(message.data(), size, one);
    }
    message[0] = std::byte{1};
    way.send(message.data(), size, one);
    way.recv(message.data(), size, one);
    message[0] = std::byte{0};
  }
  state.SetItemsProcessed(state.iterations() * batch);
  state.SetBytesProcessed(state.iterations() * batch * static_cast<std::int64_t>(size));
}

template <class Way>
void BM_Throughput(benchmark::State& state) {
  stream<Way>(state, sizeof(Message));
}
template <class Way>
void BM_Medium(benchmark::State& state) {
  stream<Way>(state, 4096);
}
template <class Way>
void BM_Copies(benchmark::State& state) {
  stream<Way>(state, 1 << 20);
}

void BM_Pipe_Create(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(mp::Pipe());
  }
}

void BM_Pipe_Uncontended(benchmark::State& state) {
  auto [a, b] = mp::Pipe();
  Message message{};
  for (auto _ : state) {
    a.send_bytes(message);
    b.recv_bytes_into(message);
  }
}

void BM_Pipe_UncontendedTyped(benchmark::State& state) {
  auto [a, b] = mp::Pipe();
  for (auto _ : state) {
    a.send(42);
    benchmark::DoNotOptimize(b.recv<int>());
  }
}

#define MP_FOR_ALL(benchmark_)                                                      \
  BENCHMARK(benchmark_<MpPipe>)->ArgName("cpus")->Arg(2)->Arg(1)->UseRealTime();    \
  BENCHMARK(benchmark_<BareRings>)->ArgName("cpus")->Arg(2)->Arg(1)->UseRealTime(); \
  BENCHMARK(benchmark_<PosixPipe>)->ArgName("cpus")->Arg(2)->Arg(1)->UseRealTime(); \
  BENCHMARK(benchmark_<Socketpair>)->ArgName("cpus")->Arg(2)->Arg(1)->UseRealTime()

MP_FOR_ALL(BM_RoundTrip);
MP_FOR_ALL(BM_Throughput);
MP_FOR_ALL(BM_Medium);
MP_FOR_ALL(BM_Copies);
BENCHMARK(BM_Pipe_Create);
BENCHMARK(BM_Pipe_Uncontended);
BENCHMARK(BM_Pipe_UncontendedTyped);

}  // namespace

BENCHMARK_MAIN();
