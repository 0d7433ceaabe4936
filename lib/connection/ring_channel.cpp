// SPDX-License-Identifier: Apache-2.0
#include "connection/ring_channel.hpp"

#include <mutex>
#include <unordered_map>
#include <utility>

#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"

#include "connection/pipe_object.hpp"
#include "memory/fork_mutex.hpp"

namespace mp::connection {

namespace {

using mp::detail::fork_generation;
using mp::detail::ObjectRef;

// Guards the table of channels, and end_ of each of them. Taken before the lock of the references.
[[gnu::section("mp_at_fork")]] memory::ForkMutex mutex{25};

// Never destroyed: static objects of users may be Connections.
std::unordered_map<std::uint64_t, std::weak_ptr<RingChannel>>& channels() {
  static auto* map = new std::unordered_map<std::uint64_t, std::weak_ptr<RingChannel>>;
  return *map;
}

[[noreturn]] void throw_closed() {
  throw ClosedError{"this end of the connection is closed"};
}

}  // namespace

RingChannel::RingChannel(ObjectRef end)
    : end_id_{end.id()}, end_{std::move(end)}, pipe_{pipe_of(end_)}, generation_{fork_generation} {
  std::byte* pipe = pipe_.data();
  const unsigned side = reinterpret_cast<layout::PipeEnd*>(end_.data())->side.load() & 1;
  const std::uint64_t peer =
      reinterpret_cast<layout::PipeHead*>(pipe)->ends[1 - side].load(std::memory_order_relaxed);
  if (layout::Ring* ring = ring_of(pipe, side)) {
    reader_.emplace(*ring, closed_, peer);
  }
  if (layout::Ring* ring = ring_of(pipe, 1 - side)) {
    writer_.emplace(*ring, closed_, peer);
  }
  // Registered, so that the other side can watch this process.
  static_cast<void>(memory::this_thread());
}

RingChannel::~RingChannel() {
  const std::lock_guard hold{mutex};
  const auto place = channels().find(end_id_);
  if (place != channels().end() && place->second.expired()) {
    channels().erase(place);
  }
}

std::shared_ptr<RingChannel> RingChannel::of(std::uint64_t end) {
  std::shared_ptr<RingChannel> found;  // dropped after the lock, for its destructor takes it
  const std::lock_guard hold{mutex};
  std::weak_ptr<RingChannel>& place = channels()[end];
  found = place.lock();
  if (found != nullptr && !found->closed_.load(std::memory_order_relaxed)) {
    return found;
  }
  auto made = std::make_shared<RingChannel>(end_from_id(end));
  place = made;
  return made;
}

void RingChannel::enter() {
  if (generation_.load(std::memory_order_acquire) != fork_generation) [[unlikely]] {
    adopt();
  }
  if (closed_.load(std::memory_order_relaxed)) [[unlikely]] {
    throw_closed();
  }
}

void RingChannel::adopt() {
  const std::lock_guard hold{mutex};
  if (closed_.load(std::memory_order_relaxed)) {
    return;
  }
  try {
    static_cast<void>(end_.data());
    static_cast<void>(pipe_.data());
  } catch (const WrongProcess&) {
    throw ClosedError{"this end was closed for good before this process first used it"};
  }
  static_cast<void>(memory::this_thread());
  generation_.store(fork_generation, std::memory_order_release);
}

bool RingChannel::send(mp::detail::Outgoing& parcel, Deadline until) {
  enter();
  if (!writer_) [[unlikely]] {
    mp::detail::throw_usage_error("this end of the connection only receives");
  }
  return writer_->send(parcel, until);
}

bool RingChannel::recv(mp::detail::Incoming& parcel, Deadline until) {
  enter();
  if (!reader_) [[unlikely]] {
    mp::detail::throw_usage_error("this end of the connection only sends");
  }
  return reader_->recv(parcel, until);
}

bool RingChannel::poll(Deadline until) {
  enter();
  if (!reader_) [[unlikely]] {
    mp::detail::throw_usage_error("this end of the connection only sends");
  }
  return reader_->poll(until);
}

void RingChannel::close() noexcept {
  if (closed_.exchange(true)) {
    return;
  }
  // A child that never used an inherited end has no claim on the memory behind it.
  if (generation_.load(std::memory_order_acquire) == fork_generation) {
    if (reader_) {
      reader_->wake();
    }
    if (writer_) {
      writer_->wake();
    }
  }
  const std::lock_guard hold{mutex};
  end_.reset();
}

bool RingChannel::closed() const noexcept {
  return closed_.load(std::memory_order_relaxed);
}

bool RingChannel::ready() {
  try {
    return poll(Deadline::now());
  } catch (const Error&) {
    return true;  // recv says why
  }
}

memory::SleepPlace RingChannel::prepare() {
  return reader_->prepare();
}

std::uint64_t RingChannel::id() {
  enter();
  return end_id_;
}

}  // namespace mp::connection
