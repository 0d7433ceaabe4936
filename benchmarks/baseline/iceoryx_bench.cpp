// SPDX-License-Identifier: Apache-2.0
// iceoryx: publishers and subscribers in shared memory, through its daemon, which this program
// starts. Receivers poll, which is the fastest that it can do. What is sent is copied in and out as
// everywhere here, though iceoryx can lend.
//
// Its runtime is made once in a process and does not survive a fork. So each side makes its own
// after the fork, and a process can run one benchmark, once: --benchmark_filter.
#include <benchmark/benchmark.h>
#include <cstring>
#include <iceoryx_posh/popo/untyped_publisher.hpp>
#include <iceoryx_posh/popo/untyped_subscriber.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>
#include <memory>
#include <string>

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "baseline/posix_channels.hpp"
#include "support/message_names.hpp"

namespace mp::bench {
namespace {

// iox-roudi, until this process ends.
class Daemon {
 public:
  Daemon() : pid_{::fork()} {
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);
      const int nowhere = ::open("/dev/null", O_WRONLY);
      ::dup2(nowhere, 1);
      ::dup2(nowhere, 2);
      ::execlp("iox-roudi", "iox-roudi", "--log-level", "off", nullptr);
      ::_exit(127);
    }
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  ~Daemon() {
    ::kill(pid_, SIGTERM);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    if (WIFSIGNALED(status) || WEXITSTATUS(status) == 0) {  // no other ran before it
      remove_leftovers();
    }
  }

 private:
  // It leaves files behind, and empties them when it begins again.
  static void remove_leftovers() {
    for (const char* file :
         {"/tmp/roudi", "/tmp/roudi.lock", "/tmp/iox-unique-roudi.lock", "/dev/shm/iceoryx_mgmt"}) {
      ::unlink(file);
    }
  }

  pid_t pid_;
};

// One direction; each process makes its end of it when it first puts or gets.
class IceoryxChannel {
 public:
  using Party = Peer;
  IceoryxChannel(std::size_t, Placement) : name_{unique_name()} {}

  void put(const void* from, std::size_t size) {
    if (!publisher_) {
      begin();
      iox::popo::PublisherOptions options;
      options.subscriberTooSlowPolicy = iox::popo::ConsumerTooSlowPolicy::WAIT_FOR_CONSUMER;
      publisher_ = std::make_unique<iox::popo::UntypedPublisher>(description(), options);
    }
    while (!publisher_->hasSubscribers()) {
      std::this_thread::yield();
    }
    for (bool sent = false; !sent;) {  // until there is memory again
      publisher_->loan(static_cast<std::uint32_t>(size)).and_then([&](void*& chunk) {
        std::memcpy(chunk, from, size);
        publisher_->publish(chunk);
        sent = true;
      });
    }
  }
  void get(void* to, std::size_t size) {
    if (!subscriber_) {
      begin();
      iox::popo::SubscriberOptions options;
      options.queueFullPolicy = iox::popo::QueueFullPolicy::BLOCK_PRODUCER;
      subscriber_ = std::make_unique<iox::popo::UntypedSubscriber>(description(), options);
    }
    for (bool got = false; !got;) {
      subscriber_->take().and_then([&](const void* chunk) {
        std::memcpy(to, chunk, size);
        subscriber_->release(chunk);
        got = true;
      });
    }
  }
  // The other process ends without the runtime's destructor, which would remove its socket.
  static void leave() {
    for (const char* end : {"", ".lock"}) {
      ::unlink(("/tmp/" + own_name() + end).c_str());
    }
  }

 private:
  static std::string own_name() { return "mp-bench-" + std::to_string(::getpid()); }
  static void begin() {
    const std::string name = own_name();
    iox::runtime::PoshRuntime::initRuntime(
        iox::RuntimeName_t{iox::cxx::TruncateToCapacity, name.c_str()});
  }
  [[nodiscard]] iox::capro::ServiceDescription description() const {
    return {"mp", "bench", iox::capro::IdString_t{iox::cxx::TruncateToCapacity, name_.c_str()}};
  }

  std::string name_;
  std::unique_ptr<iox::popo::UntypedPublisher> publisher_;
  std::unique_ptr<iox::popo::UntypedSubscriber> subscriber_;
};

using Iceoryx = TwoWay<IceoryxChannel>;

template <std::size_t size>
void add_iceoryx(int round_trips) {
  const std::string end = "/" + bytes(size) + "/iceoryx/2cpu";
  const auto with_daemon = [](void (*body)(benchmark::State&, Placement)) {
    return [body](benchmark::State& state) {
      static const Daemon daemon;  // made before the runtime, so that it ends after it
      body(state, Placement::two_cpus);
    };
  };
  add("pipe/round_trip" + end, with_daemon(round_trip<Iceoryx, size>))
      ->Iterations(quick() ? round_trips / 10 : round_trips);
  add("pipe/stream" + end, with_daemon(stream<Iceoryx, size>))->Iterations(quick() ? 1 : 10);
}

}  // namespace
}  // namespace mp::bench

int main(int argc, char** argv) {
  using namespace mp::bench;
  if (placements().front() == Placement::two_cpus) {
    add_iceoryx<64>(20'000);
    add_iceoryx<4096>(20'000);
    add_iceoryx<1 << 20>(500);
  }
  return run(argc, argv);
}
