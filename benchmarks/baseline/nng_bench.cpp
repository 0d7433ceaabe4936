// SPDX-License-Identifier: Apache-2.0
// nng: pair sockets over a unix socket between processes.
//
// The library starts threads that a forked process has not, and does not notice. So each side opens
// its socket after the fork, and a process can run one benchmark, once: --benchmark_filter.
#include <benchmark/benchmark.h>
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <string>

#include <unistd.h>

#include "baseline/posix_channels.hpp"
#include "support/message_names.hpp"

namespace mp::bench {
namespace {

// Both directions over one socket on each side.
class NngPair {
 public:
  using Party = Peer;
  NngPair(std::size_t, Placement) : address_{"abstract://" + unique_name()} {}
  NngPair(const NngPair&) = delete;
  NngPair& operator=(const NngPair&) = delete;
  ~NngPair() {
    if (opener_ == ::getpid()) {
      ::nng_close(socket_);
    }
  }
  void send(const void* from, std::size_t size) {
    open(::nng_dial, NNG_FLAG_NONBLOCK);
    put(from, size);
  }
  void take(void* to, std::size_t size) {
    open([](nng_socket socket, const char* address, nng_dialer*,
            int flags) { return ::nng_listen(socket, address, nullptr, flags); },
         0);
    get(to, size);
  }
  void answer(const void* from, std::size_t size) { put(from, size); }
  void recv(void* to, std::size_t size) { get(to, size); }
  // Closing would drop the answer that is on its way; the other side closes when it has it.
  void leave() {
    ::nng_socket_set_ms(socket_, NNG_OPT_RECVTIMEO, 100);
    char byte = 0;
    std::size_t size = 1;
    static_cast<void>(::nng_recv(socket_, &byte, &size, 0));
  }

 private:
  template <class Begin>
  void open(const Begin& begin, int flags) {
    if (opener_ != ::getpid()) {
      opener_ = ::getpid();
      must(::nng_pair0_open(&socket_) == 0, "nng_pair0_open");
      ::nng_socket_set_size(socket_, NNG_OPT_RECVMAXSZ, 0);
      ::nng_socket_set_ms(socket_, NNG_OPT_RECONNMINT, 1);
      must(begin(socket_, address_.c_str(), nullptr, flags) == 0, "nng address");
    }
  }
  void put(const void* from, std::size_t size) {
    must(::nng_send(socket_, const_cast<void*>(from), size, 0) == 0, "nng_send");
  }
  void get(void* to, std::size_t size) {
    std::size_t got = size;
    must(::nng_recv(socket_, to, &got, 0) == 0 && got == size, "nng_recv");
  }

  std::string address_;
  nng_socket socket_{};
  pid_t opener_ = 0;
};

// Google Benchmark would call the body again and again to find out how often to repeat.
void once(benchmark::internal::Benchmark* added, int iterations) {
  added->Iterations(quick() ? iterations / 10 : iterations);
}

template <std::size_t size>
void add_nng() {
  const Placement placement = placements().front();
  const std::string end = "/" + bytes(size) + "/nng_ipc" + suffix(placement);
  once(add("pipe/round_trip" + end,
           [placement](auto& state) { round_trip<NngPair, size>(state, placement); }),
       size <= 4096 ? 10'000 : 200);
  once(add("pipe/stream" + end,
           [placement](auto& state) { stream<NngPair, size>(state, placement); }),
       10);
}

}  // namespace
}  // namespace mp::bench

int main(int argc, char** argv) {
  using namespace mp::bench;
  add_nng<64>();
  add_nng<4096>();
  add_nng<1 << 20>();
  return run(argc, argv);
}
