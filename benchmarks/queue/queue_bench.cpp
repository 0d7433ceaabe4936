// SPDX-License-Identifier: Apache-2.0
// Queue beside what the system, Boost and the threads' libraries have, with messages of 64 bytes;
// and Queue alone by size, by number of processes, and by what lies in it.
#include <array>
#include <benchmark/benchmark.h>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>

#include <unistd.h>

#include "mp/codec.hpp"
#include "mp/queue.hpp"

#include "baseline/bare_ring.hpp"
#include "baseline/boost_channels.hpp"
#include "baseline/posix_channels.hpp"
#include "baseline/thread_channels.hpp"
#include "support/asleep.hpp"
#include "support/message_names.hpp"

namespace mp::bench {
namespace {

using Line = std::array<std::uint64_t, 8>;

class MpQueue {
 public:
  using Party = Peer;
  MpQueue(std::size_t, Placement) {}
  void put(const void* from, std::size_t) { queue_.put(*static_cast<const Line*>(from)); }
  void get(void* to, std::size_t) { *static_cast<Line*>(to) = queue_.get(); }

 private:
  Queue<Line> queue_;
};

// The queue beneath, which takes bytes of any size.
class MpRawQueue {
 public:
  using Party = Peer;
  MpRawQueue(std::size_t, Placement) {}
  void put(const void* from, std::size_t size) {
    std::memcpy(draft_.begin(size).data(), from, size);
    queue_.put(draft_, Deadline::never());
  }
  void get(void* to, std::size_t size) {
    queue_.get(item_, Deadline::never());
    std::memcpy(to, item_.bytes().data(), size);
  }

 private:
  RawQueue queue_;
  RawQueue::Draft draft_;
  RawQueue::Item item_;
};

// Messages of each producer.
int each() {
  return quick() ? 20'000 : 200'000;
}

template <class Channel>
void add_channel(const std::string& impl) {
  add_put_and_get<Channel>("queue", impl);
  add_crowd<Channel>("queue", "one_to_one/64B", impl, {1, 1, each()}, true);
}

template <class Channel>
void add_between_processes(const std::string& impl) {
  add_channel<Channel>(impl);
  add_round_trips<TwoWay<Channel>>("queue", impl, Only64{});
}

template <class Channel>
void add_many(const std::string& impl) {
  add_crowd<Channel>("queue", "four_to_four/64B", impl, {4, 4, each()}, false);
}

// The same number of messages by more and more processes, half of which put.
template <class Channel>
void add_crowds(const std::string& impl, int most) {
  for (const int processes : {2, 8, 32, 128, 256, 1000}) {
    if (processes <= (quick() ? 8 : most)) {
      const int half = processes / 2;
      add_crowd<Channel>("queue", "crowd/" + std::to_string(processes) + "p", impl,
                         {half, half, 2 * each() / half}, false);
    }
  }
}

// Pages of shared memory in use by this process, in bytes.
double resident_shared() {
  std::ifstream statm{"/proc/self/statm"};
  double total = 0;
  double resident = 0;
  double shared = 0;
  statm >> total >> resident >> shared;
  return shared * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

// Nobody gets until all is put. The counters say what memory an item took, and what was left of
// all of it when the queue was empty again.
void backlog(benchmark::State& state, int items) {
  Queue<Line> queue;
  queue.put({});
  queue.get();
  const double before = resident_shared();
  double full = 0;
  for (auto _ : state) {
    for (int i = 0; i < items; ++i) {
      queue.put({});
    }
    full = resident_shared();
    for (int i = 0; i < items; ++i) {
      benchmark::DoNotOptimize(queue.get());
    }
  }
  state.counters["bytes_per_item"] = (full - before) / items;
  state.counters["left_MiB"] = (resident_shared() - before) / (1 << 20);
  state.SetItemsProcessed(state.iterations() * items);
}

// The whole of an item of 1 MiB, there in a queue's memory and back out.
void large(benchmark::State& state) {
  put_and_get<MpRawQueue, 1 << 20>(state);
  state.SetBytesProcessed(state.iterations() << 20);
}

void add_ours() {
  add_between_processes<MpQueue>("mp");
  add_many<MpQueue>("mp");
  add_crowds<MpQueue>("mp", 1000);
  add_asleep<TwoWay<MpQueue>>("queue", "mp");
  add_round_trips<TwoWay<MpRawQueue>>("queue", "mp_raw", UpTo64MiB{});
  add_streams<TwoWay<MpRawQueue>>("queue", "mp_raw", UpTo64MiB{});
  add("queue/put_and_get/1MiB/mp_raw", large);
  for (const int items : {1, 100, 10'000, 1'000'000, 10'000'000}) {
    if (!quick() || items <= 10'000) {
      add("queue/backlog/" + count(static_cast<std::size_t>(items)) + "/mp", [items](auto& state) {
        backlog(state, items);
      })->Iterations(items < 1'000'000 ? 10 : 1);
    }
  }
}

void add_rivals() {
  add_between_processes<PosixPipe>("posix_pipe");
  add_many<PosixPipe>("posix_pipe");
  add_asleep<TwoWay<PosixPipe>>("queue", "posix_pipe");
  add_between_processes<BoostMq>("boost_mq");
  add_many<BoostMq>("boost_mq");
  add_crowds<BoostMq>("boost_mq", 32);
  add_between_processes<PosixMq>("posix_mq");
  add_many<PosixMq>("posix_mq");
  add_between_processes<BareRing>("bare_ring");
#ifdef MP_BENCH_MOODYCAMEL
  add_channel<Moodycamel>("moodycamel");
  add_many<Moodycamel>("moodycamel");
#endif
#ifdef MP_BENCH_TBB
  add_channel<TbbQueue>("tbb");
  add_many<TbbQueue>("tbb");
#endif
}

}  // namespace
}  // namespace mp::bench

int main(int argc, char** argv) {
  mp::bench::add_ours();
  mp::bench::add_rivals();
  return mp::bench::run(argc, argv);
}
