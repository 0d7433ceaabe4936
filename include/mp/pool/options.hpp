// SPDX-License-Identifier: Apache-2.0
// mp/pool/options.hpp — what can be chosen when a pool is made, and for a single call.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "mp/codec/codec.hpp"
#include "mp/memory/object_ref.hpp"
#include "mp/process/call.hpp"
#include "mp/process/start_method.hpp"

namespace mp {

// A call without result that every worker makes before its first task: a function, a captureless
// lambda, or mp::partial with the values that it needs.
class MP_API Initializer {
 public:
  Initializer() = default;
  template <class F>
  requires(!std::same_as<std::decay_t<F>, Initializer> && std::invocable<std::decay_t<F>>)
      Initializer(F f)  // NOLINT(google-explicit-constructor): a function is an initializer
      : Initializer{[&](Carrier& carrier) { return make_call_with(&carrier, f); }} {}

  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(call_); }
  [[nodiscard]] const RawCall& call() const noexcept { return call_; }
  [[nodiscard]] const std::vector<std::uint64_t>& objects() const noexcept { return objects_; }

 private:
  explicit Initializer(const std::function<RawCall(Carrier&)>& encode);

  RawCall call_;
  std::vector<std::uint64_t> objects_;
  std::vector<detail::ObjectRef> held_;
};

struct PoolOptions {
  int processes = 0;  // workers; 0: as many as there are CPUs to use
  Initializer initializer = {};
  int maxtasksperchild = 0;               // a worker is replaced after so many; 0: never
  std::optional<StartMethod> start = {};  // the default method when empty
};

// For one call. The callbacks run one at a time in a thread of the pool, before get() and wait()
// return; what they throw is logged.
template <class R>
struct CallOptions {
  std::function<void(const R&)> callback = {};
  std::function<void(const std::exception_ptr&)> error_callback = {};
};
template <>
struct CallOptions<void> {
  std::function<void()> callback = {};
  std::function<void(const std::exception_ptr&)> error_callback = {};
};

// For map, starmap and their kin. Items travel to the workers in chunks.
struct MapOptions {
  std::size_t chunksize = 0;  // items in a chunk; 0: so that each worker gets about four chunks
};
template <class R>
struct MapAsyncOptions {
  std::size_t chunksize = 0;
  std::function<void(const R&)> callback = {};
  std::function<void(const std::exception_ptr&)> error_callback = {};
};
template <>
struct MapAsyncOptions<void> {
  std::size_t chunksize = 0;
  std::function<void()> callback = {};
  std::function<void(const std::exception_ptr&)> error_callback = {};
};

}  // namespace mp
