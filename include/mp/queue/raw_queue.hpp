// SPDX-License-Identifier: Apache-2.0
// mp/queue/raw_queue.hpp — the queue beneath Queue<T>: items are bytes and references.
//
// A ring of slots in shared memory that grows by segments. Small items lie in their slot, larger
// ones and those that refer to shared objects in a block that is handed over with it. Queue<T>
// adds types; use RawQueue for bytes of your own making.
//
//     mp::RawQueue queue;
//     mp::RawQueue::Draft draft;
//     std::memcpy(draft.begin(3).data(), "abc", 3);
//     queue.put(draft, mp::Deadline::never());
//
// Threads:   any number of threads may use one queue, through one handle or many.
// Processes: a handle; any number of processes may put and get. A put is visible to every process
//            when it returns.
// Fork:      an inherited handle is valid. close() counts for the process that called it alone.
// Crash:     a process killed at any instruction leaves the queue whole. An item whose put returned
//            is never lost; the item of a reader that died before it had it is delivered again;
//            one that was not completely put does not exist.
// Owns:      its memory, until the last handle in the last process is gone. Items inside go with
//            it. Memory of items that were got is given back as they go.
// Blocks:    put while a bounded queue is full, get while there is nothing; at most until the
//            deadline.
//            Who is the second thread ever to put, or to get, waits for the first one if that was
//            stopped in the middle of a put or get: at least 20 ms, then until the deadline.
// Order:     items of one thread are got in the order of its puts, and an item whose put had
//            returned before another began is got first, but for items that are delivered again.
//            What was written before put is seen after the get of that item.
// Throws:    OutOfMemory from put (the queue is unchanged) and from the constructor.
// Python:    multiprocessing.Queue, without the feeder thread and what follows from it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "mp/base/bytes.hpp"
#include "mp/base/carrier.hpp"
#include "mp/base/deadline.hpp"
#include "mp/base/export.hpp"
#include "mp/memory/object_ref.hpp"
#include "mp/memory/waitable.hpp"

namespace mp {

namespace detail {

struct LocalQueue;

}  // namespace detail

namespace layout {

struct QueueSlot;

}  // namespace layout

namespace queue {

struct Claim;

}  // namespace queue

class MP_API RawQueue {
 public:
  // Items up to this size lie in their slot.
  static constexpr std::size_t kInlineSize = 104;

  // How an operation ended.
  enum class Outcome : std::uint8_t {
    done,
    timed_out,  // nothing came, or no room was made, until the deadline
    closed,     // closed in this process, or shut down (for get: and drained)
  };

  // An item under construction. As a Carrier it notes the shared objects that are written to it,
  // which the item holds until it is got.
  class MP_API Draft final : public Carrier {
   public:
    Draft() noexcept {}  // NOLINT: bytes_ is written before it is read
    ~Draft() override { drop(); }

    // Room for `size` bytes, in the draft itself or, if it is large or objects were noted, in
    // shared memory. Calling it again starts afresh. Throws OutOfMemory.
    [[nodiscard]] MutableByteView begin(std::size_t size);
    // Whether objects were noted since begin() that it did not know of: then it must be called
    // again, and the bytes written again.
    [[nodiscard]] bool must_restart() const noexcept { return objects_.size() != held_; }
    void put_object(std::uint64_t id) override;

   private:
    friend class RawQueue;
    void drop() noexcept {
      if (block_ != 0) {
        drop_block();
      }
    }
    void drop_block() noexcept;
    void fill(layout::QueueSlot& slot) const noexcept;
    void committed() noexcept;

    std::size_t size_ = 0;
    std::uint64_t block_ = 0;
    std::size_t held_ = 0;
    std::vector<std::uint64_t> objects_;
    alignas(16) std::array<std::byte, kInlineSize> bytes_;
  };

  // An item that was got. As a Carrier it lets a Reader take the shared objects that it holds.
  class MP_API Item final : public Carrier {
   public:
    Item() noexcept {}  // NOLINT: bytes_ is written before it is read
    ~Item() override {
      if (block_ != 0) {
        drop_block();
      }
    }

    [[nodiscard]] ByteView bytes() const noexcept { return view_; }
    void take_object(std::uint64_t id) override;

   private:
    friend class RawQueue;
    void drop_block() noexcept;

    ByteView view_;
    std::uint64_t block_ = 0;
    alignas(16) std::array<std::byte, kInlineSize> bytes_;
  };

  // A new queue, in which at most `maxsize` items fit; 0 is no bound.
  explicit RawQueue(std::size_t maxsize = 0);
  // The queue behind an id that a message or argument of this process holds.
  static RawQueue from_id(std::uint64_t id);
  [[nodiscard]] std::uint64_t id() const { return object_.id(); }

  // Puts the item; the draft is empty afterwards if `done`, and unchanged otherwise.
  Outcome put(Draft& draft, Deadline until);
  // Gets the first item. What `item` held before is dropped.
  Outcome get(Item& item, Deadline until);
  // Within this scope, puts wake nobody until it ends; for putting many in a row.
  class MP_API Batch {
   public:
    explicit Batch(RawQueue& queue) noexcept;
    ~Batch();
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

    // Like RawQueue::put. Wakes before it waits.
    Outcome put(Draft& draft, Deadline until);

   private:
    void wake() noexcept;

    RawQueue& queue_;
    int put_ = 0;
  };

  // How many items are inside; exact when nobody is putting or getting.
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] bool empty() const { return size() == 0; }
  // Whether a bounded queue has no room.
  [[nodiscard]] bool full() const;
  [[nodiscard]] std::size_t maxsize() const;

  // Reports that an item that was got has been dealt with. Throws UsageError when called more often
  // than items were put.
  void task_done();
  // Waits until task_done was called for every item put. Returns false at the deadline.
  bool join(Deadline until) const;

  // This process puts and gets no more. What is inside stays for the others.
  void close() noexcept;
  [[nodiscard]] bool closed() const noexcept;
  // Ends the queue for all processes: puts fail at once, gets when it is drained. `immediate` also
  // drops what is inside, as if it had never been put.
  void shutdown(bool immediate);

  // For mp::wait: ready while get would not wait.
  [[nodiscard]] Waitable waitable() const;
  // For mp::wait: ready while put would not wait.
  [[nodiscard]] Waitable room() const;
  // Returns a descriptor of this process that is readable while get would not wait. Before sleeping
  // on it, get until there is nothing. It is good as long as the queue, and not to be read from.
  [[nodiscard]] int fileno() const;

  friend bool operator==(const RawQueue& a, const RawQueue& b) noexcept {
    return a.object_ == b.object_;
  }

 private:
  explicit RawQueue(detail::ObjectRef object);
  Outcome take(Item& item, Deadline until);
  // Wakes nobody. `position` is where the item went.
  Outcome put_quietly(Draft& draft, Deadline until, std::uint64_t& position);
  bool settle_to_write(Deadline until);
  bool put_alone(Draft& draft, std::uint32_t me, std::uint64_t& position);
  bool find_alone(queue::Claim& claim);
  Outcome wait_for_room(Deadline until);
  Outcome await_item(queue::Claim& claim, Deadline until);

  detail::ObjectRef object_;
  std::shared_ptr<detail::LocalQueue> local_;
};

}  // namespace mp
