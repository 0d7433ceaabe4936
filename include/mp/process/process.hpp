// SPDX-License-Identifier: Apache-2.0
// mp/process/process.hpp — a function that runs in a process of its own.
//
//     mp::Process child{render, scene, 1080};       // arguments are copied, as std::thread does
//     child.start();
//     child.join();
//     int status = *child.exitcode();
//
// The child runs the function and ends: exit code 0, or 1 after an exception, whose text goes to
// stderr. std::exit ends it with that code. In each case it runs its own Finalize objects, ends its
// own children and flushes its streams; static objects and atexit handlers are its parent's, and
// are left alone. Its stdin is /dev/null.
//
// Under fork any callable will do. Under forkserver and spawn the callable and its arguments must
// be able to travel (mp/process/callable.hpp); start() throws UsageError otherwise.
//
// Threads:   one thread at a time may change a Process (start, close, set_...); see ProcessHandle
//            for the rest.
// Processes: handles of mp among the arguments (Queue, Lock, Connection, Value, ...) reach the
//            child, and their objects are kept alive until it has them.
// Fork:      a child must not use its parent's Process objects; their destructors do nothing there.
// Crash:     a child ends when its parent does, also by SIGKILL.
// Owns:      the child. The destructor joins it; a daemon is terminated first. The function and its
//            arguments are dropped once the child has them (a callable under fork that cannot
//            travel, at its end).
// Blocks:    join and the destructor.
// Throws:    StartError when the system cannot make another process; UsageError.
// Python:    multiprocessing.Process. start() may be called from any thread.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "mp/base/carrier.hpp"
#include "mp/codec/codec.hpp"
#include "mp/codec/normalized.hpp"
#include "mp/process/call.hpp"
#include "mp/process/process_handle.hpp"
#include "mp/process/start_method.hpp"

namespace mp {

struct ProcessOptions {
  std::string name = {};                  // "Process-N" when empty
  std::optional<bool> daemon = {};        // ended, not joined, with its parent; inherited
  std::optional<StartMethod> start = {};  // the default method when empty
};

namespace detail {

// What a child is to run.
class MP_API Target {
 public:
  virtual ~Target();
  // Runs it here, in a forked child. Called once.
  virtual void run() = 0;
  // Returns it encoded; an empty call when it cannot travel.
  virtual RawCall encode(Carrier& carrier) const = 0;
  // Names to `carrier` the shared objects among the arguments. Returns whether that was all: a
  // callable with captures may hide more.
  virtual bool collect(Carrier& carrier) const = 0;
};

template <class F, class... Args>
class BoundTarget final : public Target {
 public:
  template <class Callable, class... Values>
  explicit BoundTarget(Callable&& callable, Values&&... values)
      : callable_(std::forward<Callable>(callable)), args_(std::forward<Values>(values)...) {}

  void run() override { std::apply(std::move(callable_), std::move(args_)); }

  RawCall encode(Carrier& carrier) const override {
    if constexpr (kTravels) {
      return std::apply(
          [&](const Args&... args) { return make_call_with(&carrier, callable_, args...); }, args_);
    } else {
      return {};
    }
  }

  bool collect(Carrier& carrier) const override {
    std::apply([&](const Args&... args) { (collect_one(args, carrier), ...); }, args_);
    if constexpr (kTravels) {
      Writer out{Writer::CountOnly::yes, &carrier};
      Shipping<F>::write(out, callable_);
    }
    return kTravels;
  }

 private:
  static constexpr bool kTravels = [] {
    if constexpr (ShippableCallable<F> && (Codable<Args> && ... && true)) {
      using Result = std::decay_t<std::invoke_result_t<F, Args...>>;
      return std::is_void_v<Result> || Codable<Result>;
    } else {
      return false;
    }
  }();

  template <class T>
  static void collect_one(const T& value, Carrier& carrier) {
    if constexpr (Codable<T>) {
      collect_objects(value, carrier);
    }
  }

  F callable_;
  std::tuple<Args...> args_;
};

template <class F, class... Args>
using BoundTargetFor = BoundTarget<std::decay_t<F>, Normalized<Args>...>;

}  // namespace detail

class MP_API Process : public ProcessHandle {
 public:
  // A child that is to run f(args...).
  template <class F, class... Args>
  requires(!std::is_base_of_v<ProcessHandle, std::decay_t<F>> &&
           !std::is_same_v<std::decay_t<F>, ProcessOptions> &&
           std::is_invocable_v<std::decay_t<F>,
                               detail::Normalized<Args>...>) explicit Process(F&& f, Args&&... args)
      : Process{ProcessOptions{}, std::forward<F>(f), std::forward<Args>(args)...} {}
  template <class F, class... Args>
  requires(std::is_invocable_v<std::decay_t<F>, detail::Normalized<Args>...>)
      Process(ProcessOptions options, F&& f, Args&&... args)
      : Process{std::move(options), std::unique_ptr<detail::Target>{
                                        std::make_unique<detail::BoundTargetFor<F, Args...>>(
                                            std::forward<F>(f), std::forward<Args>(args)...)}} {}
  // A child of a derived class that overrides run(). It can be started by fork only.
  explicit Process(ProcessOptions options = {});

  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() override;

  // Starts the child. Expects: not started before; this process is no daemon, and the one that
  // made the object.
  void start();
  // What the child does: runs the function that was given. A derived class may do something else.
  virtual void run();

  // Lets go of a child that has ended; afterwards every other member throws UsageError. Throws
  // UsageError while it runs.
  void close();

  // Expects, all three: not started yet.
  void set_name(std::string name);
  void set_daemon(bool daemon);
  void set_authkey(std::string key);

 private:
  Process(ProcessOptions options, std::unique_ptr<detail::Target> target);
  void end() noexcept;
};

}  // namespace mp
