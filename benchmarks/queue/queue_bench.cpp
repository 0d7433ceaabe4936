// SPDX-License-Identifier: Apache-2.0
// Queue beside what the system and Boost have: one POSIX pipe, boost::interprocess::message_queue
// (anonymous memory) and POSIX mq, with 64-byte messages between two processes; and beside a queue
// of threads, moodycamel::ConcurrentQueue, where that is installed.
//
// Placement is the last argument of each: 2 pins the two processes to two CPUs, 1 both to one.
#include <array>
#include <atomic>
#include <benchmark/benchmark.h>
#include <boost/interprocess/ipc/message_queue.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mqueue.h>
#include <string>
#include <thread>
#include <utility>
#include <vector>
#if __has_include(<concurrentqueue/concurrentqueue.h>)
#include <concurrentqueue/concurrentqueue.h>
#endif

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mp/codec.hpp"
#include "mp/queue.hpp"

#include "memory/processes.hpp"

namespace {

constexpr std::size_t kSize = 64;
struct Message {
  std::array<std::uint64_t, kSize / 8> words;
};

void pin(int place, int party) {
  cpu_set_t allowed;
  ::sched_getaffinity(0, sizeof allowed, &allowed);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) {
      cpus.push_back(cpu);
    }
  }
  cpu_set_t wanted;
  CPU_ZERO(&wanted);
  CPU_SET(cpus[place == 1 ? 0 : static_cast<std::size_t>(party) % cpus.size()], &wanted);
  ::sched_setaffinity(0, sizeof wanted, &wanted);
}

// Runs `body` in a process of its own until the object goes.
class Peer {
 public:
  template <class Body>
  explicit Peer(Body&& body) : pid_{::fork()} {
    if (pid_ == 0) {
      body();
      ::_exit(0);
    }
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() {
    ::waitpid(pid_, nullptr, 0);
    mp::memory::bury_the_dead();
  }

 private:
  pid_t pid_;
};

// The same in a thread, for a channel that is none between processes.
class ThreadPeer {
 public:
  template <class Body>
  explicit ThreadPeer(Body&& body) : thread_{std::forward<Body>(body)} {}
  ThreadPeer(const ThreadPeer&) = delete;
  ThreadPeer& operator=(const ThreadPeer&) = delete;
  ~ThreadPeer() { thread_.join(); }

 private:
  std::thread thread_;
};

class MpChannel {
 public:
  using Party = Peer;
  void put(const Message& m) { queue_.put(m); }
  Message get() { return queue_.get(); }

 private:
  mp::Queue<Message> queue_;
};

class PipeChannel {
 public:
  using Party = Peer;
  PipeChannel() { must(::pipe(fds_.data())); }
  PipeChannel(const PipeChannel&) = delete;
  PipeChannel& operator=(const PipeChannel&) = delete;
  ~PipeChannel() {
    ::close(fds_[0]);
    ::close(fds_[1]);
  }
  void put(const Message& m) { must(static_cast<int>(::write(fds_[1], &m, sizeof m))); }
  Message get() {
    Message m{};
    must(static_cast<int>(::read(fds_[0], &m, sizeof m)));
    return m;
  }
  static void must(int result) {
    if (result < 0) {
      std::perror("pipe");
      std::abort();
    }
  }

 private:
  std::array<int, 2> fds_{};
};

class BoostChannel {
 public:
  using Party = Peer;
  BoostChannel() : name_{"mp-bench-" + std::to_string(::getpid()) + "-" + std::to_string(next_++)} {
    using boost::interprocess::message_queue;
    queue_ = std::make_unique<message_queue>(boost::interprocess::create_only, name_.c_str(), 1024,
                                             sizeof(Message));
    message_queue::remove(name_.c_str());
  }
  void put(const Message& m) { queue_->send(&m, sizeof m, 0); }
  Message get() {
    Message m{};
    boost::interprocess::message_queue::size_type size = 0;
    unsigned priority = 0;
    queue_->receive(&m, sizeof m, size, priority);
    return m;
  }

 private:
  static inline int next_ = 0;
  std::string name_;
  std::unique_ptr<boost::interprocess::message_queue> queue_;
};

class MqChannel {
 public:
  using Party = Peer;
  MqChannel() {
    const std::string name = "/mp-bench-" + std::to_string(::getpid());
    mq_attr attributes{};
    attributes.mq_maxmsg = 10;
    attributes.mq_msgsize = sizeof(Message);
    queue_ = ::mq_open(name.c_str(), O_CREAT | O_RDWR, 0600, &attributes);
    PipeChannel::must(queue_);
    ::mq_unlink(name.c_str());
  }
  MqChannel(const MqChannel&) = delete;
  MqChannel& operator=(const MqChannel&) = delete;
  ~MqChannel() { ::mq_close(queue_); }
  void put(const Message& m) {
    PipeChannel::must(::mq_send(queue_, reinterpret_cast<const char*>(&m), sizeof m, 0));
  }
  Message get() {
    Message m{};
    PipeChannel::must(
        static_cast<int>(::mq_receive(queue_, reinterpret_cast<char*>(&m), sizeof m, nullptr)));
    return m;
  }

 private:
  mqd_t queue_;
};

#if __has_include(<concurrentqueue/concurrentqueue.h>)
class MoodycamelChannel {
 public:
  using Party = ThreadPeer;
  void put(const Message& m) { queue_.enqueue(m); }
  Message get() {
    Message m{};
    while (!queue_.try_dequeue(m)) {
      ::sched_yield();
    }
    return m;
  }

 private:
  moodycamel::ConcurrentQueue<Message> queue_;
};
#endif

// One process puts and gets.
template <class Channel>
void uncontended(benchmark::State& state) {
  Channel channel;
  Message m{};
  for (auto _ : state) {
    channel.put(m);
    m = channel.get();
  }
  state.SetItemsProcessed(state.iterations());
}

template <class Channel>
void round_trip(benchmark::State& state) {
  const int place = static_cast<int>(state.range(0));
  Channel there;
  Channel back;
  cpu_set_t before;
  ::sched_getaffinity(0, sizeof before, &before);
  const Peer peer{[&] {
    pin(place, 1);
    for (;;) {
      const Message m = there.get();
      back.put(m);
      if (m.words[0] == 0) {
        return;
      }
    }
  }};
  pin(place, 0);
  Message m{{1}};
  for (auto _ : state) {
    there.put(m);
    benchmark::DoNotOptimize(back.get());
  }
  m.words[0] = 0;
  there.put(m);
  back.get();
  ::sched_setaffinity(0, sizeof before, &before);
}

// `parties` producers and as many consumers; the time is from the first put to the last get.
template <class Channel>
void throughput(benchmark::State& state, int parties) {
  const int place = static_cast<int>(state.range(0));
  constexpr int kEach = 200'000;
  for (auto _ : state) {
    state.PauseTiming();
    Channel channel;
    MpChannel done;
    auto* go = static_cast<std::atomic<int>*>(
        ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    std::vector<std::unique_ptr<typename Channel::Party>> peers;
    for (int i = 0; i < parties; ++i) {
      peers.push_back(std::make_unique<typename Channel::Party>([&] {
        pin(place, 0);
        while (go->load() == 0) {
          ::sched_yield();
        }
        Message m{};
        for (int k = 0; k < kEach; ++k) {
          m.words[0] = static_cast<std::uint64_t>(k);
          channel.put(m);
        }
      }));
      peers.push_back(std::make_unique<typename Channel::Party>([&] {
        pin(place, 1);
        std::uint64_t sum = 0;
        for (int k = 0; k < kEach; ++k) {
          sum += channel.get().words[0];
        }
        done.put(Message{{sum}});
      }));
    }
    state.ResumeTiming();
    go->store(1);
    for (int i = 0; i < parties; ++i) {
      done.get();
    }
    state.PauseTiming();
    peers.clear();
    ::munmap(go, 4096);
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * parties * kEach);
}

template <class Channel>
void one_to_one(benchmark::State& state) {
  throughput<Channel>(state, 1);
}
template <class Channel>
void four_to_four(benchmark::State& state) {
  throughput<Channel>(state, 4);
}

// The whole of an item of 1 MiB, there in a queue's memory and back out.
void large(benchmark::State& state) {
  mp::RawQueue queue;
  mp::RawQueue::Draft draft;
  mp::RawQueue::Item item;
  std::vector<std::byte> bytes(1 << 20);
  for (auto _ : state) {
    std::memcpy(draft.begin(bytes.size()).data(), bytes.data(), bytes.size());
    queue.put(draft, mp::Deadline::never());
    queue.get(item, mp::Deadline::never());
    std::memcpy(bytes.data(), item.bytes().data(), bytes.size());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}

#define MP_BENCH_CHANNEL(title, Channel)                                                         \
  BENCHMARK(uncontended<Channel>)->Name("BM_" title "_Uncontended")->UseRealTime();              \
  BENCHMARK(round_trip<Channel>)->Name("BM_" title "_RoundTrip")->Arg(2)->Arg(1)->UseRealTime(); \
  BENCHMARK(one_to_one<Channel>)->Name("BM_" title "_1P1C")->Arg(2)->Arg(1)->UseRealTime();      \
  BENCHMARK(four_to_four<Channel>)->Name("BM_" title "_4P4C")->Arg(2)->UseRealTime()

MP_BENCH_CHANNEL("Queue", MpChannel);
MP_BENCH_CHANNEL("Pipe", PipeChannel);
MP_BENCH_CHANNEL("BoostQueue", BoostChannel);
MP_BENCH_CHANNEL("PosixMq", MqChannel);
#if __has_include(<concurrentqueue/concurrentqueue.h>)
BENCHMARK(uncontended<MoodycamelChannel>)->Name("BM_Moodycamel_Uncontended")->UseRealTime();
BENCHMARK(one_to_one<MoodycamelChannel>)->Name("BM_Moodycamel_1P1C")->Arg(2)->UseRealTime();
BENCHMARK(four_to_four<MoodycamelChannel>)->Name("BM_Moodycamel_4P4C")->Arg(2)->UseRealTime();
#endif
BENCHMARK(large)->Name("BM_Queue_Large")->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
