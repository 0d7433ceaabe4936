// SPDX-License-Identifier: Apache-2.0
// mp/connection/loan.hpp — messages that are written and read where they lie.
//
//     mp::Loan loan{1 << 20};                     // in shared memory
//     fill(loan.bytes());
//     a.send_zero_copy(std::move(loan));          // hands the memory over
//
//     mp::MessageView view = b.recv_view();       // and takes it
//     use(view.bytes());
//     b.send_zero_copy(mp::Loan{std::move(view)});  // the same memory, on to the next
//
// Long messages through pipes change their owner instead of being copied, at a price that does not
// depend on their size. Messages of up to some kilobytes, and all that go over sockets, are copied
// as send_bytes copies them; the calls are the same.
//
// Threads:   distinct objects are independent.
// Processes: a view is of memory that has one owner, this process; a process that writes to where
//            it has no business can still change it. Check what you read once, or copy it first.
// Crash:     the memory of a killed process is given back; what it had sent is received.
// Owns:      the memory, until it is sent or the object is gone.
// Throws:    the first constructor: OutOfMemory, std::bad_alloc.
// Python:    there is nothing like it; memoryview of shared memory comes nearest.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "mp/base/bytes.hpp"
#include "mp/base/export.hpp"
#include "mp/connection/parcel.hpp"

namespace mp {

class MessageView;

// A message to be.
class MP_API Loan {
 public:
  // Memory for a message of `size` bytes, not initialised.
  explicit Loan(std::size_t size) : parcel_{std::make_unique<detail::Outgoing>(size)} {}
  // A message that was received, to be changed and sent on.
  explicit Loan(MessageView&& view);
  Loan(Loan&&) noexcept = default;
  Loan& operator=(Loan&&) noexcept = default;
  ~Loan() = default;

  // The memory; empty once sent.
  [[nodiscard]] MutableByteView bytes() const noexcept {
    return parcel_ == nullptr ? MutableByteView{} : parcel_->bytes();
  }

 private:
  friend class Connection;
  std::unique_ptr<detail::Outgoing> parcel_;
};

// A message that was received.
class MP_API MessageView {
 public:
  MessageView(MessageView&&) noexcept = default;
  MessageView& operator=(MessageView&&) noexcept = default;
  ~MessageView() = default;

  [[nodiscard]] ByteView bytes() const noexcept {
    return parcel_ == nullptr ? ByteView{} : parcel_->bytes();
  }

 private:
  friend class Connection;
  friend class Loan;
  explicit MessageView(std::unique_ptr<detail::Incoming> parcel) noexcept
      : parcel_{std::move(parcel)} {}
  std::unique_ptr<detail::Incoming> parcel_;
};

}  // namespace mp
