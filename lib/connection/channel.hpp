// SPDX-License-Identifier: Apache-2.0
// connection/channel.hpp — what is behind a Connection: this process's place at one end.
//
// All handles of an end in one process share one Channel. Every operation is one virtual call, next
// to a fence and a compare-and-swap; what it costs has not been measured alone.
#pragma once

#include <cstdint>

#include "mp/base/deadline.hpp"
#include "mp/connection/parcel.hpp"

namespace mp::detail {

class Channel {
 public:
  Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  virtual ~Channel() = default;

  // Each returns false when `until` has passed, and throws as Connection says.
  virtual bool send(Outgoing& parcel, Deadline until) = 0;
  virtual bool recv(Incoming& parcel, Deadline until) = 0;
  virtual bool poll(Deadline until) = 0;

  virtual void close() noexcept = 0;
  [[nodiscard]] virtual bool closed() const noexcept = 0;
  [[nodiscard]] virtual bool readable() const noexcept = 0;
  [[nodiscard]] virtual bool writable() const noexcept = 0;

  // The object that a message must carry so that its receiver gets this end. Throws UsageError when
  // the end cannot travel so.
  [[nodiscard]] virtual std::uint64_t id() = 0;
  // The socket, -1 when there is none (any more).
  [[nodiscard]] virtual int socket() const noexcept { return -1; }
};

}  // namespace mp::detail
