// SPDX-License-Identifier: Apache-2.0
// mp/process/raw_call.hpp — a call and its outcome as bytes: what moves between processes.
//
//     call     | thunk (code_ref.hpp) | callable | arguments ...                 |
//     outcome  | 0 | result, nothing for void        |  or  | 1 | exception      |
//
// The thunk is one function that knows all the types of the call: it decodes the callable and the
// arguments, calls, and encodes the result (call.hpp makes one per combination of types). So
// Process and Pool handle references and bytes, and are compiled once. A call of many items, as map
// makes them, has
//
//     call     | thunk | callable | count | item ...                             |
//     outcome  | 0 | count | for each item: 0 or 1 | size | result or exception  |
//
// Threads:   functions may be called from any thread; a RawCall is a value.
// Processes: both ends belong to one tree and run the same executable.
// Throws:    running a call throws nothing but what must not be caught (a thread's cancellation):
//            whatever fails, the bad bytes of a call too, becomes its outcome. Reading an outcome
//            throws the exception that it holds.
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "mp/base/bytes.hpp"
#include "mp/base/export.hpp"
#include "mp/codec/exception.hpp"
#include "mp/codec/reader.hpp"
#include "mp/codec/traits.hpp"
#include "mp/codec/writer.hpp"

namespace mp {

// The outcome of an item of a batch, as write_failure writes it.
struct KnownOutcome {
  std::uint32_t item;
  ByteView outcome;
};

// What a thunk is given, and what it tells of itself.
struct CallFrame {
  Reader& in;                   // behind the reference of the thunk
  Writer& out;                  // behind the mark of success
  const ExceptionOrigin& self;  // what exceptions say of this process

  // The thunk tells what it is about to call.
  void announce(const std::type_info& callable) const noexcept {
    if (callable_slot != nullptr) {
      *callable_slot = &callable;
    }
  }
  // The thunk tells that it has decoded all it needs from `in`. Told for calls, not for batches.
  void told_decoded() const {
    if (decoded != nullptr) {
      decoded(decoded_argument);
    }
  }
  const std::type_info** callable_slot = nullptr;
  void (*decoded)(void* argument) = nullptr;
  void* decoded_argument = nullptr;
  // Of a batch: the item at work + 1; items that are not to be run, in order, with the outcomes
  // that they have; and, if only one is to be run, that one.
  std::atomic<std::uint32_t>* item_slot = nullptr;
  std::span<const KnownOutcome> known = {};
  std::optional<std::uint32_t> only_item = {};
};

using Thunk = void (*)(CallFrame&);

// Runs the call that begins at `frame.in`; lets whatever is thrown out.
MP_API void run_thunk(CallFrame& frame);

// Runs the call in `in` and writes its outcome to `out`. Returns whether it succeeded: of a call of
// many items, whether the call as a whole did. `callable`, where given, is set to the type of what
// is called, before it is called.
MP_API bool run_call(Reader& in, Writer& out, const ExceptionOrigin& self,
                     const std::type_info** callable = nullptr);

// The same, in a frame that the caller has made.
MP_API bool run_call(CallFrame& frame);

// Writes the outcome of a call that could not be run, or whose runner died.
MP_API void write_failure(Writer& out, const std::exception_ptr& error,
                          const ExceptionOrigin& self);

// Steps over the mark of success; throws the exception when the call failed.
MP_API void expect_success(Reader& outcome);

// Reads the outcome of a call that returns an R, or void.
template <class R>
[[nodiscard]] R read_outcome(Reader& outcome) {
  expect_success(outcome);
  if constexpr (!std::is_void_v<R>) {
    R result = mp::read<R>(outcome);
    outcome.expect_end();
    return result;
  } else {
    outcome.expect_end();
  }
}

// Takes the outcome of a call of many items apart. Good as long as the bytes are.
class MP_API BatchOutcome {
 public:
  struct Item {
    bool failed;
    ByteView bytes;    // an encoded result, or an exception
    Carrier* carrier;  // the outcome's

    // Returns the result, or throws the exception.
    template <class R>
    [[nodiscard]] R get() const {
      if (failed) {
        rethrow_exception(bytes);
      }
      if constexpr (!std::is_void_v<R>) {
        Reader in{bytes, carrier};
        return mp::read<R>(in);
      }
    }
  };

  // Throws the exception when the call failed as a whole.
  explicit BatchOutcome(Reader& outcome);
  // Returns the next item, in the order of the call; nothing behind the last.
  [[nodiscard]] std::optional<Item> next();
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  Reader& in_;
  std::size_t size_;
  std::size_t given_ = 0;
};

namespace detail {

// The demangled name of a type.
[[nodiscard]] MP_API std::string type_name(const std::type_info& type);

// Decodes and runs one item of a batch, and writes the size of the result and the result. Sets
// `decoded` once `in` is behind the item. Without a callable it only decodes.
using BatchStep = void (*)(void* callable, Reader& in, Writer& out, bool& decoded);

// The loop of a batch thunk, behind the callable.
MP_API void run_batch(CallFrame& frame, void* callable, BatchStep step);

}  // namespace detail

// A call with all its arguments, encoded and ready to be sent, run, or kept.
class MP_API RawCall {
 public:
  RawCall() = default;
  RawCall(Bytes bytes, const std::type_info& callable) noexcept
      : bytes_{std::move(bytes)}, callable_{&callable} {}

  [[nodiscard]] explicit operator bool() const noexcept { return callable_ != nullptr; }
  [[nodiscard]] const Bytes& bytes() const noexcept { return bytes_; }
  // Gives the bytes away; the name stays.
  [[nodiscard]] Bytes take_bytes() noexcept { return std::exchange(bytes_, {}); }
  // The type of the callable, for reports: "mp::Fn<&square>", "main::{lambda(int)#1}".
  [[nodiscard]] std::string name() const;

 private:
  Bytes bytes_;
  const std::type_info* callable_ = nullptr;
};

}  // namespace mp
