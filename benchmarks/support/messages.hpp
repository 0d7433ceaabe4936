// SPDX-License-Identifier: Apache-2.0
// support/messages.hpp — the work that every channel of messages does here, ours and its rivals'.
//
// A *way* connects two parties in both directions: send and recv on this side, take and answer on
// the other. A *channel* goes one way: put and get; TwoWay makes a way of two of them. Both are
// constructed with the size of their messages and the placement, before the other party exists;
// Party says whether that is a process or a thread.
//
//   round_trip   a message there and back; time is one round trip
//   stream       messages one way as fast as they go, in batches with an answer at the end of each,
//                so that what is counted was received
//   put_and_get  one process puts and gets
//   crowd        producers and consumers of one channel; time is from the first put to the last get
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <benchmark/benchmark.h>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

#include <unistd.h>

#include "support/latency.hpp"
#include "support/peer.hpp"
#include "support/placement.hpp"
#include "support/shared.hpp"

namespace mp::bench {

template <std::size_t size>
using Size = std::integral_constant<std::size_t, size>;

// What the first byte of a message asks for.
enum class Wish : unsigned char { none = 0, answer = 1, answer_and_leave = 2 };

// A message of a size that the compiler knows, on the heap.
template <std::size_t size>
class Message {
 public:
  void* data() { return memory_->data(); }
  Wish wish() const { return static_cast<Wish>(memory_->front()); }
  void wish(Wish wish) { memory_->front() = static_cast<unsigned char>(wish); }

 private:
  struct alignas(64) Memory : std::array<unsigned char, size> {};
  std::unique_ptr<Memory> memory_ = std::make_unique<Memory>();
};

// What a channel wants to do before its process ends: some have threads that send behind one's
// back.
template <class Channel>
void leave(Channel& channel) {
  if constexpr (requires { channel.leave(); }) {
    channel.leave();
  }
}

template <class Channel>
class TwoWay {
 public:
  using Party = typename Channel::Party;
  TwoWay(std::size_t size, Placement placement) : there_{size, placement}, back_{size, placement} {}
  void send(const void* from, std::size_t size) { there_.put(from, size); }
  void take(void* to, std::size_t size) { there_.get(to, size); }
  void answer(const void* from, std::size_t size) { back_.put(from, size); }
  void recv(void* to, std::size_t size) { back_.get(to, size); }
  void leave() {
    mp::bench::leave(there_);
    mp::bench::leave(back_);
  }

 private:
  Channel there_;
  Channel back_;
};

// The other party, until it is told to leave.
template <class Way, std::size_t size>
void serve(Way& way, Placement placement) {
  pin(cpu_of(placement, 1));
  Message<size> message;
  for (;;) {
    way.take(message.data(), size);
    if (message.wish() != Wish::none) {
      way.answer(message.data(), size);
      if (message.wish() == Wish::answer_and_leave) {
        leave(way);
        return;
      }
    }
  }
}

template <class Way, std::size_t size>
void round_trip(benchmark::State& state, Placement placement) {
  Way way{size, placement};
  const typename Way::Party peer{[&] { serve<Way, size>(way, placement); }};
  const Pinned here{cpu_of(placement, 0)};
  Message<size> message;
  message.wish(Wish::answer);
  const auto once = [&] {
    way.send(message.data(), size);
    way.recv(message.data(), size);
  };
  once();  // some find each other only now
  const CpuMeter cpu{peer};
  for (auto _ : state) {
    once();
  }
  cpu.report(state);
  report_latency(state, once);
  message.wish(Wish::answer_and_leave);
  once();
}

template <class Way, std::size_t size>
void stream(benchmark::State& state, Placement placement) {
  constexpr int kBatch = size <= 4096 ? 20'000 : std::max<std::size_t>(1, (64 << 20) / size);
  Way way{size, placement};
  const typename Way::Party peer{[&] { serve<Way, size>(way, placement); }};
  const Pinned here{cpu_of(placement, 0)};
  Message<size> message;
  const auto end_batch = [&](Wish wish) {
    message.wish(wish);
    way.send(message.data(), size);
    way.recv(message.data(), size);
    message.wish(Wish::none);
  };
  end_batch(Wish::answer);  // some find each other only now
  const CpuMeter cpu{peer};
  for (auto _ : state) {
    for (int i = 1; i < kBatch; ++i) {
      way.send(message.data(), size);
    }
    end_batch(Wish::answer);
  }
  cpu.report(state);
  state.counters["cpu_ns"].value /= kBatch;
  state.SetItemsProcessed(state.iterations() * kBatch);
  state.SetBytesProcessed(state.iterations() * kBatch * static_cast<std::int64_t>(size));
  end_batch(Wish::answer_and_leave);
}

template <class Channel, std::size_t size>
void put_and_get(benchmark::State& state) {
  Channel channel{size, Placement::one_cpu};
  Message<size> message;
  for (auto _ : state) {
    channel.put(message.data(), size);
    channel.get(message.data(), size);
  }
  state.SetItemsProcessed(state.iterations());
}

struct Crowd {
  int producers;
  int consumers;
  int items;  // that each producer puts; all of them are a multiple of the consumers
};

// Lets all producers begin at once, and waits until as many consumers are done. By a pipe, which is
// nobody's rival here: no party touches it before its last message.
class Gun {
 public:
  Gun() {
    if (::pipe(done_.data()) != 0) {
      std::abort();
    }
  }
  Gun(const Gun&) = delete;
  Gun& operator=(const Gun&) = delete;
  ~Gun() {
    ::close(done_[0]);
    ::close(done_[1]);
  }
  void await() const {
    while (go_->load() == 0) {
      std::this_thread::yield();
    }
  }
  void done() const {
    if (::write(done_[1], "", 1) != 1) {
      std::abort();
    }
  }
  void fire(int consumers) const {
    go_->store(1);
    for (char byte = 0; consumers != 0; --consumers) {
      if (::read(done_[0], &byte, 1) != 1) {
        std::abort();
      }
    }
  }

 private:
  Shared<std::atomic<int>> go_;
  std::array<int, 2> done_{};
};

template <class Channel, std::size_t size>
void produce(Channel& channel, int items) {
  Message<size> message;
  for (int k = 0; k < items; ++k) {
    std::memcpy(message.data(), &k, sizeof k);
    channel.put(message.data(), size);
  }
}

template <class Channel, std::size_t size>
void consume(Channel& channel, int items) {
  Message<size> message;
  for (int k = 0; k < items; ++k) {
    channel.get(message.data(), size);
    benchmark::DoNotOptimize(message.data());
  }
}

// Producers sit on the first CPU and consumers on the second, or all on one.
template <class Channel, std::size_t size>
void crowd(benchmark::State& state, Placement placement, Crowd who) {
  using Party = typename Channel::Party;
  const int total = who.producers * who.items;
  for (auto _ : state) {
    state.PauseTiming();
    {
      Channel channel{size, placement};
      const Gun gun;
      std::vector<std::unique_ptr<Party>> parties;
      for (int i = 0; i < who.producers; ++i) {
        parties.push_back(std::make_unique<Party>([&] {
          pin(cpu_of(placement, 0));
          gun.await();
          produce<Channel, size>(channel, who.items);
          leave(channel);
        }));
      }
      for (int i = 0; i < who.consumers; ++i) {
        parties.push_back(std::make_unique<Party>([&] {
          pin(cpu_of(placement, 1));
          consume<Channel, size>(channel, total / who.consumers);
          gun.done();
          leave(channel);
        }));
      }
      state.ResumeTiming();
      gun.fire(who.consumers);
      state.PauseTiming();
    }
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * total);
}

}  // namespace mp::bench
