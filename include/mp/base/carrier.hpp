// SPDX-License-Identifier: Apache-2.0
// mp/base/carrier.hpp — what moves the parts of a message that are not bytes.
//
// A Lock, a Queue or a Connection inside a message is more than bytes: the object it refers to must
// stay alive while the message is on its way, and the receiver must become one of its holders; a
// file descriptor must be duplicated into another process. Whoever moves messages and can do that
// implements a Carrier and gives it to the Writer and the Reader. The handles call it, through
// Writer::put_object and Reader::take_object, and know nothing of the channel.
//
// Everything here throws UsageError unless overridden, so a channel overrides what it can carry.
//
// Threads:   one Carrier serves one message at a time.
// Processes: put_ is called in the sender, take_ in the receiver, in the same order.
// Crash:     what was put belongs to the sender until the receiver has taken it or is dead; keeping
//            that promise is the implementation's work.
// Throws:    UsageError where the channel cannot carry such a thing; DecodeError from take_ when
// the
//            message does not carry what its bytes name.
// Python:    multiprocessing.reduction.
#pragma once

#include <cstdint>

#include "mp/base/export.hpp"

namespace mp {

class MP_API Carrier {
 public:
  Carrier() = default;
  Carrier(const Carrier&) = delete;
  Carrier& operator=(const Carrier&) = delete;
  virtual ~Carrier();

  // Remembers, for the message that is being written, a reference to the shared object `id`.
  virtual void put_object(std::uint64_t id);
  // Lets the message that is being written carry a duplicate of `fd`, which stays the caller's.
  virtual void put_fd(int fd);

  // Makes this process a holder of the object `id`, which the message must carry.
  virtual void take_object(std::uint64_t id);
  // Returns the next descriptor that the message carries; it is now the caller's.
  virtual int take_fd();
};

}  // namespace mp
