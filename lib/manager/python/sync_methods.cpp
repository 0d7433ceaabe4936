// SPDX-License-Identifier: Apache-2.0
// Locks, semaphores, conditions, events, barriers and queues: methods that may wait. What waits is
// our call; the connection goes on when it is answered.
#include <array>
#include <utility>

#include "mp/codec/pickle/exception.hpp"
#include "mp/errors/error.hpp"

#include "manager/python/items.hpp"
#include "manager/python/methods.hpp"

namespace mp::manager::python {

namespace {

// threading's locks complain of a misuse by RuntimeError.
Value lock_answer(const Conversation& to, Outcome&& outcome) {
  try {
    return as_it_is(to, std::move(outcome));
  } catch (const OverRelease& error) {
    raise("RuntimeError", {Value{std::string{"release unlocked lock: "} + error.what()}});
  } catch (const NotOwner& error) {
    raise("RuntimeError", {Value{error.what()}});
  }
}

void acquire(Invocation& call) {
  const Arguments args = call.arguments({"blocking", "timeout"});
  const Value blocking = args.get(0, Value{true});
  if (!blocking.truthy() && args.has(1) && !args.at(1).is_none() && args.at(1).as_real() >= 0) {
    raise_value_error("can't specify a timeout for a non-blocking call");
  }
  call.ask("acquire", {make_item(time_to_wait(blocking, args.get(1)))}, &lock_answer);
}

void release(Invocation& call) {
  (void)call.arguments({});
  call.ask("release", {}, &lock_answer);
}

void locked(Invocation& call) {
  call.ask("locked", {});
}

// What only our locks have: after the death of the owner.
void recover(Invocation& call) {
  call.ask("recover", {}, &lock_answer);
}

void release_permits(Invocation& call) {
  const Value count = call.arguments({"n"}).get(0, Value{1});
  if (count.as_int() < 1) {
    raise_value_error("n must be one or more");
  }
  call.ask("release", {make_item(static_cast<std::uint64_t>(count.as_int()))});
}

void no_permits(Invocation& call) {
  call.reply(Value{call.value_of("get_value").as_int() == 0});
}

void get_value(Invocation& call) {
  call.ask("get_value", {});
}

void wait(Invocation& call) {
  const Value timeout = call.arguments({"timeout"}).get(0);
  call.ask("wait", {make_item(time_to_wait(timeout))}, &lock_answer);
}

void notify(Invocation& call) {
  const std::int64_t count = call.arguments({"n"}).get(0, Value{1}).as_int();
  call.ask("notify", {make_item(static_cast<std::uint64_t>(count < 0 ? 0 : count))}, &lock_answer);
}

void notify_all(Invocation& call) {
  call.ask("notify_all", {}, &lock_answer);
}

template <const char* const& Name>
void plain(Invocation& call) {
  (void)call.arguments({});
  call.ask(Name, {});
}
constexpr const char* kSet = "set";
constexpr const char* kClear = "clear";
constexpr const char* kIsSet = "is_set";
constexpr const char* kAbort = "abort";
constexpr const char* kReset = "reset";
constexpr const char* kSize = "qsize";
constexpr const char* kEmpty = "empty";
constexpr const char* kFull = "full";

// A Barrier without a timeout of its own, unless the call has one, waits as it was made to.
void wait_at_barrier(Invocation& call) {
  const Arguments args = call.arguments({"timeout"});
  if (args.get(0).is_none()) {
    call.ask("wait", {});
  } else {
    call.ask("wait", {make_item(time_to_wait(args.at(0)))});
  }
}

void barrier_attribute(Invocation& call) {
  const Value name = call.arguments({"name"}, 1).at(0);
  for (const std::string_view each : {"parties", "n_waiting", "broken"}) {
    if (name == Value{each}) {
      call.ask(each, {});
      return;
    }
  }
  raise("AttributeError", {Value{"'Barrier' object has no attribute " + name.repr()}});
}

Value put_answer(const Conversation& to, Outcome&& outcome) {
  if (!as_it_is(to, std::move(outcome)).truthy()) {
    throw Full{};
  }
  return {};
}

Value get_answer(const Conversation& to, Outcome&& outcome) {
  if (outcome.kind == layout::ReplyKind::nothing) {
    throw Empty{};
  }
  return as_it_is(to, std::move(outcome));
}

Value nothing(const Conversation& to, Outcome&& outcome) {
  static_cast<void>(as_it_is(to, std::move(outcome)));
  return {};
}

void put(Invocation& call) {
  const Arguments args = call.arguments({"item", "block", "timeout"}, 1);
  call.ask("put",
           {call.item(args.at(0)), make_item(time_to_wait(args.get(1, Value{true}), args.get(2)))},
           &put_answer);
}

void put_nowait(Invocation& call) {
  call.ask("put", {call.item(call.arguments({"item"}, 1).at(0)), make_item(std::int64_t{0})},
           &put_answer);
}

void get(Invocation& call) {
  const Arguments args = call.arguments({"block", "timeout"});
  call.ask("get", {make_item(time_to_wait(args.get(0, Value{true}), args.get(1)))}, &get_answer);
}

void get_nowait(Invocation& call) {
  (void)call.arguments({});
  call.ask("get", {make_item(std::int64_t{0})}, &get_answer);
}

void task_done(Invocation& call) {
  (void)call.arguments({});
  call.ask("task_done", {}, &nothing);
}

void join(Invocation& call) {
  (void)call.arguments({});
  call.ask("join", {}, &nothing);
}

constexpr std::array kLock = {
    Method{"acquire", &acquire},
    Method{"release", &release},
    Method{"locked", &locked},
    Method{"recover", &recover},
};
constexpr std::array kSemaphore = {
    Method{"acquire", &acquire},
    Method{"release", &release_permits},
    Method{"locked", &no_permits},
    Method{"get_value", &get_value},
};
constexpr std::array kCondition = {
    Method{"acquire", &acquire}, Method{"release", &release},       Method{"wait", &wait},
    Method{"notify", &notify},   Method{"notify_all", &notify_all}, Method{"locked", &locked},
};
constexpr std::array kEvent = {
    Method{"is_set", &plain<kIsSet>},
    Method{"set", &plain<kSet>},
    Method{"clear", &plain<kClear>},
    Method{"wait", &wait},
};
constexpr std::array kBarrier = {
    Method{"__getattribute__", &barrier_attribute},
    Method{"wait", &wait_at_barrier},
    Method{"abort", &plain<kAbort>},
    Method{"reset", &plain<kReset>},
};
constexpr std::array kQueue = {
    Method{"empty", &plain<kEmpty>},
    Method{"full", &plain<kFull>},
    Method{"get", &get},
    Method{"get_nowait", &get_nowait},
    Method{"join", &join},
    Method{"put", &put},
    Method{"put_nowait", &put_nowait},
    Method{"qsize", &plain<kSize>},
    Method{"task_done", &task_done},
};

}  // namespace

std::span<const Method> lock_methods() noexcept {
  return kLock;
}

std::span<const Method> semaphore_methods() noexcept {
  return kSemaphore;
}

std::span<const Method> condition_methods() noexcept {
  return kCondition;
}

std::span<const Method> event_methods() noexcept {
  return kEvent;
}

std::span<const Method> barrier_methods() noexcept {
  return kBarrier;
}

std::span<const Method> queue_methods() noexcept {
  return kQueue;
}

}  // namespace mp::manager::python
