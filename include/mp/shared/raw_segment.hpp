// SPDX-License-Identifier: Apache-2.0
// mp/shared/raw_segment.hpp — the file behind a Segment, without what Boost makes of it. Not for
// direct use.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "mp/base/bytes.hpp"
#include "mp/base/deadline.hpp"
#include "mp/base/export.hpp"
#include "mp/shared/open_mode.hpp"
#include "mp/shared/segment_mutex.hpp"
#include "mp/shared/shared_memory.hpp"

namespace mp::detail {

class MP_API RawSegment {
 public:
  // Builds what users shall find in the bytes, before anybody can see them.
  using Build = void (*)(MutableByteView);

  RawSegment(Create, const std::string& name, std::size_t size, const SharedMemoryOptions& options,
             Build build);
  RawSegment(Open, const std::string& name);
  RawSegment(OpenOrCreate, const std::string& name, std::size_t size,
             const SharedMemoryOptions& options, Build build);
  RawSegment(const RawSegment&) = delete;
  RawSegment& operator=(const RawSegment&) = delete;
  ~RawSegment();

  [[nodiscard]] MutableByteView bytes() const noexcept;
  [[nodiscard]] SegmentMutex& mutex() const noexcept;
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  // Takes the lock of a segment that is whole.
  [[nodiscard]] bool acquire(Deadline until) const;
  void check() const;
  void unlink() const;

 private:
  bool make(std::size_t size, const SharedMemoryOptions& options, Build build);
  bool find();

  std::string name_;
  std::shared_ptr<NamedBlock> block_;
};

[[noreturn]] MP_API void throw_segment_full(std::size_t bytes);
[[noreturn]] MP_API void throw_other_type(const char* name);

}  // namespace mp::detail
