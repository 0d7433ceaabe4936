// SPDX-License-Identifier: Apache-2.0
// ZeroMQ: PUSH and PULL sockets over a unix socket between processes (ipc), and between the threads
// of one process (inproc).
#include <string>
#include <zmq.h>

#include <unistd.h>

#include "baseline/posix_channels.hpp"
#include "support/message_names.hpp"

namespace mp::bench {
namespace {

// A context belongs to the process that made it: each makes its own when it first needs one.
class Context {
 public:
  static void* get() {
    if (owner_ != ::getpid()) {
      context_ = ::zmq_ctx_new();
      owner_ = ::getpid();
    }
    return context_;
  }
  // Waits until all that was sent is on its way.
  static void end() {
    if (owner_ == ::getpid()) {
      ::zmq_ctx_term(context_);
      owner_ = 0;
    }
  }

 private:
  static inline void* context_ = nullptr;
  static inline pid_t owner_ = 0;
};

// Each side opens its socket when it first puts or gets.
template <class Side, bool between_threads>
class ZmqChannel {
 public:
  using Party = Side;
  ZmqChannel(std::size_t, Placement)
      : address_{(between_threads ? "inproc://" : "ipc://@") + unique_name()} {
    if (between_threads) {
      Context::get();
    }
  }
  ZmqChannel(const ZmqChannel&) = delete;
  ZmqChannel& operator=(const ZmqChannel&) = delete;
  ~ZmqChannel() { close(); }

  void put(const void* from, std::size_t size) {
    if (putter_ == nullptr) {
      putter_ = ::zmq_socket(Context::get(), ZMQ_PUSH);
      must(::zmq_connect(putter_, address_.c_str()) == 0, "zmq_connect");
    }
    must(::zmq_send(putter_, from, size, 0) == static_cast<int>(size), "zmq_send");
  }
  void get(void* to, std::size_t size) {
    if (getter_ == nullptr) {
      getter_ = ::zmq_socket(Context::get(), ZMQ_PULL);
      must(::zmq_bind(getter_, address_.c_str()) == 0, "zmq_bind");
    }
    must(::zmq_recv(getter_, to, size, 0) == static_cast<int>(size), "zmq_recv");
  }
  // In the other process, before it ends. A thread leaves that to the destructor.
  void leave() {
    if (!between_threads) {
      close();
    }
  }

 private:
  void close() {
    for (void** socket : {&putter_, &getter_}) {
      if (*socket != nullptr) {
        ::zmq_close(*socket);
        *socket = nullptr;
      }
    }
  }

  std::string address_;
  void* putter_ = nullptr;
  void* getter_ = nullptr;
};

// The process must not end before the sockets' thread has sent everything.
class ZmqPeer : public Peer {
 public:
  template <class Body>
  explicit ZmqPeer(Body&& body)
      : Peer{[&] {
          body();
          Context::end();
        }} {}
};

using Ipc = ZmqChannel<ZmqPeer, false>;
using Inproc = ZmqChannel<ThreadPeer, true>;

template <class Channel, class Sizes>
void add_zmq(const std::string& impl, Sizes sizes) {
  add_round_trips<TwoWay<Channel>>("pipe", impl, sizes);
  add_streams<TwoWay<Channel>>("pipe", impl, sizes);
  add_round_trips<TwoWay<Channel>>("queue", impl, Only64{});
  add_crowd<Channel>("queue", "one_to_one/64B", impl, {1, 1, quick() ? 20'000 : 200'000}, false);
}

}  // namespace
}  // namespace mp::bench

int main(int argc, char** argv) {
  using namespace mp::bench;
  add_zmq<Ipc>("zmq_ipc", UpTo64MiB{});
  add_zmq<Inproc>("zmq_inproc", Only64{});
  return run(argc, argv);
}
