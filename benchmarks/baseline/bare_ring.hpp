// SPDX-License-Identifier: Apache-2.0
// baseline/bare_ring.hpp — the least that two processes can do to pass messages.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <thread>

#include <sys/mman.h>

#include "support/peer.hpp"
#include "support/placement.hpp"

namespace mp::bench {

// Single producer, single consumer, nothing else: no sleeping, no locks, nobody may die. Spins, or
// on one CPU yields.
class BareRing {
 public:
  using Party = Peer;

  // `message` divides the size of the ring, which is 4 MiB, or one message if that is more.
  BareRing(std::size_t message, Placement placement)
      : size_{message > kSize ? message : kSize}, yield_{placement == Placement::one_cpu} {
    memory_ = static_cast<std::byte*>(
        ::mmap(nullptr, 256 + size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    std::memset(memory_, 0, 256 + size_);
    head_ = ::new (memory_) std::atomic<std::uint64_t>{0};
    tail_ = ::new (memory_ + 128) std::atomic<std::uint64_t>{0};
  }
  BareRing(const BareRing&) = delete;
  BareRing& operator=(const BareRing&) = delete;
  ~BareRing() { ::munmap(memory_, 256 + size_); }

  void put(const void* from, std::size_t size) {
    const std::uint64_t tail = tail_->load(std::memory_order_relaxed);
    while (tail + size - other_ > size_) {
      other_ = head_->load(std::memory_order_acquire);
      rest(yield_ && tail + size - other_ > size_);
    }
    std::memcpy(memory_ + 256 + tail % size_, from, size);
    tail_->store(tail + size, std::memory_order_release);
  }
  void get(void* to, std::size_t size) {
    const std::uint64_t head = head_->load(std::memory_order_relaxed);
    while (other_ - head < size || other_ < head) {
      other_ = tail_->load(std::memory_order_acquire);
      rest(yield_ && other_ == head);
    }
    std::memcpy(to, memory_ + 256 + head % size_, size);
    head_->store(head + size, std::memory_order_release);
  }

 private:
  static constexpr std::size_t kSize = 4 << 20;

  static void rest(bool yield) {
    if (yield) {
      std::this_thread::yield();
    } else {
      __builtin_ia32_pause();
    }
  }

  std::size_t size_;
  bool yield_;
  std::byte* memory_;
  std::atomic<std::uint64_t>* head_;
  std::atomic<std::uint64_t>* tail_;
  std::uint64_t other_ = 0;
};

}  // namespace mp::bench
