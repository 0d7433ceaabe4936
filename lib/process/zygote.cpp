// SPDX-License-Identifier: Apache-2.0
// The zygote has one thread, one socket, and no handles. It answers requests
//
//     request   ProcessId (4), padding (4), BlockId of the start message (8)
//     reply     pid, or minus the error (4), with the pidfd where the kernel gave one
//
// by making a copy of itself that is a child of the requester (CLONE_PARENT). It ends at a message
// that is no request, or at the end of the socket.
#include <array>
#include <bit>
#include <exception>
#include <span>
#include <utility>

#include "mp/errors/error.hpp"
#include "mp/memory/object_ref.hpp"
#include "mp/process/call.hpp"

#include "memory/fork_mutex.hpp"
#include "os/clone.hpp"
#include "os/signal.hpp"
#include "os/socket.hpp"
#include "process/child_process.hpp"
#include "process/child_run.hpp"
#include "process/fork_child.hpp"
#include "process/spawn_child.hpp"

namespace mp::process {

namespace {

struct Request {
  memory::ProcessId process;
  std::uint32_t origin;
  memory::BlockId message;
};

void serve(os::Fd channel, Origin origin) {
  os::set_signal_mask(os::signal_mask() | os::signal_bit(os::kSigInt));  // see run_message
  for (;;) {
    Request request{};
    const os::Received got =
        os::receive(channel.get(), std::as_writable_bytes(std::span{&request, 1}));
    if (got.size != sizeof request) {
      return;
    }
    std::int32_t reply = 0;
    os::Child child;
    try {
      child = os::clone_process(os::Relation::sibling);
      if (child.pid == 0) {
        channel.reset();
        run_message(request.process, request.message, origin);
      }
      reply = child.pid;
    } catch (const OsError& error) {
      reply = -error.code().value();
    }
    const int pidfd = child.pidfd.get();
    os::send_all(channel.get(), std::as_bytes(std::span{&reply, 1}),
                 std::span{&pidfd, pidfd >= 0 ? std::size_t{1} : std::size_t{0}});
  }
}

void spawned_zygote_main(int channel) {
  serve(os::Fd{channel}, Origin::copy);
}

ChildSpec zygote_spec(const std::string& name) {
  ChildSpec spec;
  spec.name = name;
  spec.path = {0};  // numbers are for the user's children
  spec.daemon = false;
  spec.ignores_interrupt = true;
  return spec;
}

[[gnu::section("mp_at_fork")]] memory::ForkMutex server_mutex{5};
// Guarded by server_mutex. Made when first wanted and never destroyed: whoever ends last may ask.
constinit std::shared_ptr<Zygote>* server = nullptr;

}  // namespace

Zygote::Zygote(std::shared_ptr<ChildProcess> process, os::Fd channel)
    : process_{std::move(process)}, channel_{std::move(channel)} {}

std::unique_ptr<Zygote> Zygote::fork_now(const std::string& name, std::vector<int> not_inherited) {
  auto [ours, its] = os::socket_pair(os::SocketKind::seqpacket);
  ChildSpec spec = zygote_spec(name);
  // The copy has both ends; it closes ours, or it would never see the end.
  not_inherited.push_back(ours.get());
  spec.body = [not_inherited = std::move(not_inherited), its = its.get()] {
    for (const int fd : not_inherited) {
      os::Fd{fd}.reset();
    }
    serve(os::Fd{its}, Origin::copy);
  };
  auto process = fork_child(std::move(spec));
  return std::unique_ptr<Zygote>{new Zygote{std::move(process), std::move(ours)}};
}

std::unique_ptr<Zygote> Zygote::spawn(const std::string& name) {
  auto [ours, its] = os::socket_pair(os::SocketKind::seqpacket);
  ChildSpec spec = zygote_spec(name);
  spec.call = make_call(&spawned_zygote_main, kFirstOwnNumber);
  const std::array fds{its.get()};
  auto process = spawn_child(spec, fds);
  return std::unique_ptr<Zygote>{new Zygote{std::move(process), std::move(ours)}};
}

std::shared_ptr<Zygote> Zygote::forkserver() {
  const std::lock_guard hold{server_mutex};
  if (server == nullptr) {
    server = new std::shared_ptr<Zygote>;
  }
  if (*server == nullptr || !(*server)->is_alive()) {
    *server = spawn("ForkServer");
  }
  return *server;
}

[[gnu::hot]] void Zygote::end_forkserver() noexcept {
  std::shared_ptr<Zygote> last;
  const std::lock_guard hold{server_mutex};
  if (server != nullptr) {
    last.swap(*server);
  }
}

Zygote::~Zygote() {
  if (process_->is_ours()) {
    dismiss();
    process_->wait(Deadline::never());
  }
}

void Zygote::dismiss() noexcept {
  if (std::exchange(dismissed_, true)) {
    return;
  }
  // Closing the channel would not be enough: forked children have copies of this end.
  try {
    const std::byte goodbye{};
    os::send_all(channel_.get(), {&goodbye, 1});
  } catch (const OsError&) {
    // It is dead already.
  }
}

bool Zygote::is_alive() {
  return process_->is_ours() && !process_->wait(Deadline::now());
}

os::Child Zygote::request(memory::ProcessId child, memory::BlockId message) {
  const Request request{child, 0, message};
  const std::lock_guard hold{mutex_};
  // The answer brings a descriptor. That there is room for it is found out before there is a child.
  os::Fd room = channel_.duplicate();
  std::int32_t reply = 0;
  os::Received got;
  try {
    os::send_all(channel_.get(), std::as_bytes(std::span{&request, 1}));
    room.reset();
    got = os::receive(channel_.get(), std::as_writable_bytes(std::span{&reply, 1}), 1);
  } catch (const OsError&) {
    got.size = 0;
  }
  if (got.size != sizeof reply) {
    throw StartError{"the process that makes the children, " + process_->name() + ", is dead"};
  }
  if (reply < 0) {
    throw OsError{-reply, "clone3", "in " + process_->name()};
  }
  return {reply, got.fds.empty() ? os::Fd{} : std::move(got.fds.front())};
}

}  // namespace mp::process
