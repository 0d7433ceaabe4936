// SPDX-License-Identifier: Apache-2.0
// connection/ring_channel.hpp — the Channel over the rings of a pipe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "mp/memory/object_ref.hpp"

#include "connection/channel.hpp"
#include "connection/ring_reader.hpp"
#include "connection/ring_writer.hpp"

namespace mp::connection {

class RingChannel final : public mp::detail::Channel {
 public:
  explicit RingChannel(mp::detail::ObjectRef end);
  ~RingChannel() override;

  // This process's channel for the end with this id, which a message or an argument of this process
  // holds.
  static std::shared_ptr<RingChannel> of(std::uint64_t end);

  bool send(mp::detail::Outgoing& parcel, Deadline until) override;
  bool recv(mp::detail::Incoming& parcel, Deadline until) override;
  bool poll(Deadline until) override;
  void close() noexcept override;
  [[nodiscard]] bool closed() const noexcept override;
  [[nodiscard]] bool readable() const noexcept override { return reader_.has_value(); }
  [[nodiscard]] bool writable() const noexcept override { return writer_.has_value(); }
  [[nodiscard]] std::uint64_t id() override;
  [[nodiscard]] bool ready() override;
  [[nodiscard]] memory::SleepPlace prepare() override;

 private:
  // Before every use: throws ClosedError when this process has closed the end; after a fork, makes
  // this process a holder of it.
  void enter();
  void adopt();

  const std::uint64_t end_id_;
  // The end is let go of by close(). The pipe is held as long as there are handles, so that a call
  // that a close() overtakes still works on memory that is a pipe's.
  mp::detail::ObjectRef end_;
  mp::detail::ObjectRef pipe_;
  std::atomic<std::uint32_t> generation_;  // of the process that is a holder
  std::atomic<bool> closed_{false};
  std::optional<RingReader> reader_;
  std::optional<RingWriter> writer_;
};

}  // namespace mp::connection
