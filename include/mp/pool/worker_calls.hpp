// SPDX-License-Identifier: Apache-2.0
// mp/pool/worker_calls.hpp — calls that every worker of a pool makes: the first and the last.
//
// Both are functions without arguments, captureless lambdas, or mp::partial with the values that
// they need.
//
// Threads:   values.
// Processes: they travel to each worker, replacements too. Shared objects in them live as long as
//            the pool.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <vector>

#include "mp/codec/codec.hpp"
#include "mp/memory/object_ref.hpp"
#include "mp/process/call.hpp"

namespace mp {

namespace detail {

// A call as bytes, and what keeps the shared objects in it alive.
class MP_API HeldCall {
 public:
  HeldCall() = default;
  explicit HeldCall(const std::function<RawCall(Carrier&)>& encode);

  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(call_); }
  [[nodiscard]] const RawCall& call() const noexcept { return call_; }
  [[nodiscard]] const std::vector<std::uint64_t>& objects() const noexcept { return objects_; }
  [[nodiscard]] const std::vector<ObjectRef>& held() const noexcept { return held_; }

 private:
  RawCall call_;
  std::vector<std::uint64_t> objects_;
  std::vector<ObjectRef> held_;
};

template <class R>
[[nodiscard]] constexpr std::uint64_t result_tag() {
  if constexpr (std::is_void_v<R>) {
    return 0;
  } else {
    return type_tag<R>();
  }
}

}  // namespace detail

// What a worker does before its first task.
class MP_API Initializer : public detail::HeldCall {
 public:
  Initializer() = default;
  template <class F>
  requires(!std::same_as<std::decay_t<F>, Initializer> && std::invocable<std::decay_t<F>>)
      Initializer(F f)  // NOLINT(google-explicit-constructor): a function is an initializer
      : HeldCall{[&](Carrier& carrier) { return make_call_with(&carrier, f); }} {}
};

// What a worker does behind its last task, when it ends in order: because the pool was closed or
// made smaller, or it has done its maxtasksperchild. Not when it dies, or the pool is terminated.
// What it returns is had from Pool::exit_results.
class MP_API WorkerExit : public detail::HeldCall {
 public:
  WorkerExit() = default;
  template <class F>
  requires(!std::same_as<std::decay_t<F>, WorkerExit> && std::invocable<std::decay_t<F>>)
      WorkerExit(F f)  // NOLINT(google-explicit-constructor): a function is one
      : HeldCall{[&](Carrier& carrier) { return make_call_with(&carrier, f); }},
        result_{detail::result_tag<std::decay_t<std::invoke_result_t<std::decay_t<F>>>>()} {}

  // The tag of the result's type.
  [[nodiscard]] std::uint64_t result() const noexcept { return result_; }

 private:
  std::uint64_t result_ = 0;
};

}  // namespace mp
