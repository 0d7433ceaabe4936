// SPDX-License-Identifier: Apache-2.0
// mp/pool/isolated.hpp — one call in a process of its own, for code that may crash, hang or lie.
//
//     auto page = mp::isolated({.timeout = 1s, .memory = 64 << 20, .no_network = true}, parse,
//     bytes); if (page) show(page.value()); else if (page.failure() == mp::IsolatedFailure::signal)
//     log("parse crashed", page.signal());
//
// The call runs in a forked copy of this process that has none of what the tree shares: the arena
// is unmapped, all descriptors are closed but /dev/null as the standard streams, signal handlers
// are gone, there are no core dumps, and no execve gains rights. It cannot trace or signal other
// processes nor leave its process group. When the call is over, whatever it started is killed.
// Arguments and result go over a private socket; what comes back is bounded and checked as if an
// enemy had written it.
//
// It is the same user, with the same files and a copy of this process's memory: a barrier against
// bugs and hostile data, not against somebody who attacks the kernel, or this process by way of
// /proc.
//
// Threads:   may be called from any thread. Of those of this process the child has none; what it
//            calls must not need a lock that one of them holds.
// Processes: nothing of mp's that is shared works in the child: WrongProcess.
// Crash:     a child whose parent dies is killed; processes that it started are not.
// Owns:      the child, which is reaped when this returns.
// Blocks:    until the call is over, or its time.
// Throws:    UsageError when an argument is, or has, a handle to something shared; OsError when the
//            kernel refuses one of the restrictions: none is left out silently; StartError. What
//            becomes of the call itself is in the result.
// Python:    none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "mp/base/bytes.hpp"
#include "mp/base/carrier.hpp"
#include "mp/base/export.hpp"
#include "mp/errors/error.hpp"
#include "mp/pool/options.hpp"
#include "mp/process/call.hpp"

namespace mp {

struct IsolatedOptions {
  TimeLimit timeout = {};
  std::size_t memory = 0;   // bytes of address space beyond what this process has; 0: no limit
  std::size_t nofile = 0;   // descriptors, the four that it begins with included; 0: no limit
  bool no_network = false;  // it can make no sockets, of whatever family
  bool output = false;      // it keeps stdout and stderr
  std::size_t max_result = std::size_t{64} << 20;  // bytes of an encoded result
};

enum class IsolatedFailure : std::uint8_t {
  none,
  exception,    // the call threw; value() throws that, as its own type
  signal,       // the child was killed by a signal: WorkerDied
  exit,         // it ended without a result: WorkerDied
  timeout,      // TaskTimeout
  memory,       // it had not enough memory: OutOfMemory
  undecodable,  // what it sent is no result, or one that is too long: DecodeError
};

namespace detail {

// How an isolated call ended; the outcome is empty unless the child wrote one.
struct IsolatedEnd {
  IsolatedFailure failure = IsolatedFailure::none;
  int exitcode = 0;
  Bytes outcome = {};
  std::exception_ptr error = {};
};

[[nodiscard]] MP_API IsolatedEnd run_isolated(const IsolatedOptions& options, const RawCall& call);
// Refuses what an isolated call cannot have.
class MP_API NothingShared final : public Carrier {
 public:
  void put_object(std::uint64_t id) override;
  void put_fd(int fd) override;
};
// Notes the exception being handled, which reading the outcome threw.
MP_API void note_isolated_failure(IsolatedEnd& end);

}  // namespace detail

template <class R>
class IsolatedResult {
 public:
  explicit IsolatedResult(detail::IsolatedEnd end) : end_{std::move(end)} {
    if (end_.failure == IsolatedFailure::none) {
      try {
        Reader in{end_.outcome};
        if constexpr (std::is_void_v<R>) {
          read_outcome<R>(in);
        } else {
          value_.emplace(read_outcome<R>(in));
        }
      } catch (...) {
        detail::note_isolated_failure(end_);
      }
      end_.outcome = {};
    }
  }

  [[nodiscard]] bool has_value() const noexcept { return end_.failure == IsolatedFailure::none; }
  explicit operator bool() const noexcept { return has_value(); }
  // The result; throws error() when there is none.
  std::conditional_t<std::is_void_v<R>, void, std::add_lvalue_reference_t<const R>> value() const {
    if (!has_value()) {
      std::rethrow_exception(end_.error);
    }
    if constexpr (!std::is_void_v<R>) {
      return *value_;
    }
  }
  [[nodiscard]] IsolatedFailure failure() const noexcept { return end_.failure; }
  // The exception; null when there is a result.
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return end_.error; }
  // Of a child that exited, or was killed by a signal; 0 otherwise.
  [[nodiscard]] int exitcode() const noexcept {
    return end_.failure == IsolatedFailure::exit ? end_.exitcode : 0;
  }
  [[nodiscard]] int signal() const noexcept {
    return end_.failure == IsolatedFailure::signal ? -end_.exitcode : 0;
  }

 private:
  struct Nothing {};
  detail::IsolatedEnd end_;
  std::optional<std::conditional_t<std::is_void_v<R>, Nothing, R>> value_;
};

// Calls f(args...). Callable and arguments travel as those of a Pool's calls do.
template <class F, class... Args>
IsolatedResult<CallResult<F, Args...>> isolated(const IsolatedOptions& options, const F& f,
                                                const Args&... args) {
  detail::NothingShared nothing;
  return IsolatedResult<CallResult<F, Args...>>{
      detail::run_isolated(options, make_call_with(&nothing, f, args...))};
}

}  // namespace mp
