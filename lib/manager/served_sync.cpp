// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>
#include <stdexcept>
#include <unordered_map>

#include "mp/errors/error.hpp"

#include "manager/server.hpp"

namespace mp::manager {

namespace {

// A call of a lock that is kept by somebody who wants it back afterwards.
class Mutex : public Served {
 public:
  [[nodiscard]] bool is_held_by(const Call& call) const noexcept {
    return depth_ != 0 && owner_ == &call.session() && (!reentrant_ || thread_ == call.thread());
  }
  // Opens it, whatever its depth, which is returned.
  std::uint32_t open() {
    const std::uint32_t depth = std::exchange(depth_, 0);
    owner_ = nullptr;
    pass_on();
    return depth;
  }
  // Answers `call` with its outcome once it holds the lock, to its depth.
  void take(CallPtr& call, Deadline until) {
    if (orphaned_) {
      throw OwnerDied{"the process that held the lock died"};
    }
    if (depth_ == 0) {
      grant(*call);
    } else if (reentrant_ && is_held_by(*call)) {
      ++depth_;
      call->reply_value(call->outcome);
    } else if (until.passed()) {
      call->reply_value(false);
    } else {
      waiting_.add(*this, call, until, [](CallPtr& late) { late->reply_value(false); });
    }
  }

  void forget(Session& session) override {
    waiting_.drop(session);
    if (depth_ == 0 || owner_ != &session) {
      return;
    }
    owner_ = nullptr;
    orphaned_ = true;
    while (!waiting_.empty()) {
      fail_orphaned(*waiting_.pop());
    }
  }

 protected:
  explicit Mutex(Server& server, std::string type, bool reentrant)
      : Served{server, std::move(type), {}}, reentrant_{reentrant} {}

  void acquire(CallPtr& call) {
    call->expect(0, 1);
    take(call, call->deadline(0));
  }
  void release(CallPtr& call) {
    if (depth_ == 0) {
      throw OverRelease{"nobody holds the lock"};
    }
    if (orphaned_) {
      throw OwnerDied{"the process that held the lock died: recover it first"};
    }
    if (reentrant_ && !is_held_by(*call)) {
      throw NotOwner{"another thread holds the lock"};
    }
    if (--depth_ == 0) {
      owner_ = nullptr;
      pass_on();
    }
    call->reply_nothing();
  }
  void locked(CallPtr& call) { call->reply_value(depth_ != 0); }
  void recover(CallPtr& call) {
    if (!orphaned_) {
      call->outcome = false;
      take(call, Deadline::never());
      return;
    }
    orphaned_ = false;
    grant(*call);
  }

 private:
  void grant(Call& call) {
    depth_ = call.depth;
    owner_ = &call.session();
    thread_ = call.thread();
    call.session().concern(*this);
    call.reply_value(call.outcome);
  }
  void pass_on() {
    if (depth_ == 0 && !waiting_.empty()) {
      grant(*waiting_.pop());
    }
  }
  static void fail_orphaned(Call& call) {
    call.fail(std::make_exception_ptr(OwnerDied{"the process that held the lock died"}));
  }

  const bool reentrant_;
  std::uint32_t depth_ = 0;         // 0: open
  const Session* owner_ = nullptr;  // with the depth
  std::uint32_t thread_ = 0;
  bool orphaned_ = false;  // closed, and nobody's
  WaitList waiting_;
};

class ServedLock final : public Mutex {
 public:
  ServedLock(Server& server, bool reentrant)
      : Mutex{server, reentrant ? "RLock" : "Lock", reentrant} {}

  void serve(CallPtr& call) override {
    static constexpr Method<ServedLock> kMethods[] = {{"acquire", &ServedLock::acquire},
                                                      {"release", &ServedLock::release},
                                                      {"locked", &ServedLock::locked},
                                                      {"recover", &ServedLock::recover}};
    serve_by_name(*this, kMethods, call);
  }
};

class ServedCondition final : public Served {
 public:
  ServedCondition(Server& server, std::shared_ptr<Mutex> lock)
      : Served{server, "Condition", {}}, lock_{std::move(lock)} {}

  void serve(CallPtr& call) override {
    static constexpr Method<ServedCondition> kMethods[] = {
        {"acquire", &ServedCondition::pass},
        {"release", &ServedCondition::pass},
        {"recover", &ServedCondition::pass},
        {"locked", &ServedCondition::pass},
        {"wait", &ServedCondition::wait},
        {"notify", &ServedCondition::notify},
        {"notify_all", &ServedCondition::notify_all}};
    serve_by_name(*this, kMethods, call);
  }
  void forget(Session& session) override { waiting_.drop(session); }

 private:
  void pass(CallPtr& call) { lock_->serve(call); }
  void expect_held(const Call& call) const {
    if (!lock_->is_held_by(call)) {
      throw NotOwner{"the condition's lock is not held by the caller"};
    }
  }
  void wait(CallPtr& call) {
    call->expect(0, 1);
    expect_held(*call);
    const Deadline until = call->deadline(0);
    call->depth = lock_->open();
    waiting_.add(*this, call, until, [this](CallPtr& late) {
      late->outcome = false;
      take_back(late);
    });
  }
  void notify(CallPtr& call) {
    call->expect(0, 1);
    expect_held(*call);
    wake(call->size() == 0 ? 1 : call->get<std::uint64_t>(0));
    call->reply_nothing();
  }
  void notify_all(CallPtr& call) {
    expect_held(*call);
    wake(waiting_.size());
    call->reply_nothing();
  }
  void wake(std::uint64_t count) {
    for (; count != 0 && !waiting_.empty(); --count) {
      CallPtr woken = waiting_.pop();
      take_back(woken);
    }
  }
  void take_back(CallPtr& call) {
    try {
      lock_->take(call, Deadline::never());
    } catch (...) {
      call->fail(std::current_exception());
    }
  }

  std::shared_ptr<Mutex> lock_;
  WaitList waiting_;
};

class ServedSemaphore final : public Served {
 public:
  ServedSemaphore(Server& server, std::uint64_t value, bool bounded)
      : Served{server, bounded ? "BoundedSemaphore" : "Semaphore", {}},
        bounded_{bounded},
        initial_{value},
        value_{value} {}

  void serve(CallPtr& call) override {
    static constexpr Method<ServedSemaphore> kMethods[] = {
        {"acquire", &ServedSemaphore::acquire},
        {"release", &ServedSemaphore::release},
        {"get_value", &ServedSemaphore::get_value}};
    serve_by_name(*this, kMethods, call);
  }
  // The permits of a BoundedSemaphore are resources that somebody holds; those of a Semaphore are
  // signals, which nobody owns.
  void forget(Session& session) override {
    waiting_.drop(session);
    if (const auto held = held_.find(&session); held != held_.end()) {
      const std::uint64_t permits = held->second;
      held_.erase(held);
      for (std::uint64_t i = 0; i != permits; ++i) {
        give();
      }
    }
  }

 private:
  void acquire(CallPtr& call) {
    call->expect(0, 1);
    const Deadline until = call->deadline(0);
    if (value_ != 0) {
      --value_;
      grant(*call);
    } else if (until.passed()) {
      call->reply_value(false);
    } else {
      waiting_.add(*this, call, until, [](CallPtr& late) { late->reply_value(false); });
    }
  }
  void release(CallPtr& call) {
    call->expect(0, 1);
    const std::uint64_t count = call->size() == 0 ? 1 : call->get<std::uint64_t>(0);
    if (count == 0) {
      throw std::invalid_argument("at least one permit is to be released");
    }
    if (bounded_ && count > initial_ - value_) {
      throw OverRelease{"released more often than acquired"};
    }
    if (const auto held = held_.find(&call->session()); held != held_.end()) {
      held->second -= std::min(held->second, count);
      if (held->second == 0) {
        held_.erase(held);
      }
    }
    for (std::uint64_t i = 0; i != count; ++i) {
      give();
    }
    call->reply_nothing();
  }
  void get_value(CallPtr& call) { call->reply_value(value_); }
  void give() {
    if (waiting_.empty()) {
      ++value_;
    } else {
      grant(*waiting_.pop());
    }
  }
  void grant(Call& call) {
    if (bounded_) {
      call.session().concern(*this);
      ++held_[&call.session()];
    }
    call.reply_value(true);
  }

  const bool bounded_;
  const std::uint64_t initial_;
  std::uint64_t value_;
  std::unordered_map<const Session*, std::uint64_t> held_;
  WaitList waiting_;
};

class ServedEvent final : public Served {
 public:
  explicit ServedEvent(Server& server) : Served{server, "Event", {}} {}

  void serve(CallPtr& call) override {
    static constexpr Method<ServedEvent> kMethods[] = {{"is_set", &ServedEvent::is_set},
                                                       {"set", &ServedEvent::set},
                                                       {"clear", &ServedEvent::clear},
                                                       {"wait", &ServedEvent::wait}};
    serve_by_name(*this, kMethods, call);
  }
  void forget(Session& session) override { waiting_.drop(session); }

 private:
  void is_set(CallPtr& call) { call->reply_value(set_); }
  void set(CallPtr& call) {
    set_ = true;
    while (!waiting_.empty()) {
      waiting_.pop()->reply_value(true);
    }
    call->reply_nothing();
  }
  void clear(CallPtr& call) {
    set_ = false;
    call->reply_nothing();
  }
  void wait(CallPtr& call) {
    call->expect(0, 1);
    const Deadline until = call->deadline(0);
    if (set_ || until.passed()) {
      call->reply_value(set_);
    } else {
      waiting_.add(*this, call, until, [](CallPtr& late) { late->reply_value(false); });
    }
  }

  bool set_ = false;
  WaitList waiting_;
};

class ServedBarrier final : public Served {
 public:
  // `patience` is what a call waits that does not say how long, in nanoseconds; negative for ever.
  ServedBarrier(Server& server, std::uint64_t parties, std::int64_t patience)
      : Served{server, "Barrier", {}}, parties_{parties}, patience_{patience} {
    if (parties == 0) {
      throw UsageError{"a barrier has at least one party"};
    }
  }

  void serve(CallPtr& call) override {
    static constexpr Method<ServedBarrier> kMethods[] = {
        {"wait", &ServedBarrier::wait},           {"abort", &ServedBarrier::abort},
        {"reset", &ServedBarrier::reset},         {"parties", &ServedBarrier::parties},
        {"n_waiting", &ServedBarrier::n_waiting}, {"broken", &ServedBarrier::broken}};
    serve_by_name(*this, kMethods, call);
  }
  // A party that is gone will never come.
  void forget(Session& session) override {
    if (waiting_.drop(session) != 0) {
      break_up();
    }
  }
  void withdrawn() override { break_up(); }

 private:
  void wait(CallPtr& call) {
    call->expect(0, 1);
    if (broken_) {
      throw BrokenBarrier{};
    }
    const Deadline until = call->size() != 0 || patience_ < 0
                               ? call->deadline(0)
                               : Deadline{std::chrono::nanoseconds{patience_}};
    if (waiting_.size() + 1 == parties_) {
      std::uint64_t index = parties_ - 1;
      call->reply_value(std::uint64_t{0});
      while (!waiting_.empty()) {
        waiting_.pop()->reply_value(index--);
      }
    } else if (until.passed()) {
      break_up();
      throw BrokenBarrier{};
    } else {
      waiting_.add(*this, call, until, [this](CallPtr& late) {
        break_up();
        late->fail(std::make_exception_ptr(BrokenBarrier{}));
      });
    }
  }
  void abort(CallPtr& call) {
    break_up();
    call->reply_nothing();
  }
  void reset(CallPtr& call) {
    fail_waiting();
    broken_ = false;
    call->reply_nothing();
  }
  void parties(CallPtr& call) { call->reply_value(parties_); }
  void n_waiting(CallPtr& call) { call->reply_value(static_cast<std::uint64_t>(waiting_.size())); }
  void broken(CallPtr& call) { call->reply_value(broken_); }

  void break_up() {
    broken_ = true;
    fail_waiting();
  }
  void fail_waiting() {
    while (!waiting_.empty()) {
      waiting_.pop()->fail(std::make_exception_ptr(BrokenBarrier{}));
    }
  }

  const std::uint64_t parties_;
  const std::int64_t patience_;
  bool broken_ = false;
  WaitList waiting_;
};

std::shared_ptr<Mutex> lock_for(Server& server, const Call& call) {
  if (call.size() < 2) {
    auto lock = std::make_shared<ServedLock>(server, true);
    server.enter(lock);
    return lock;
  }
  auto lock = std::dynamic_pointer_cast<Mutex>(call.object_argument(1));
  if (!lock) {
    throw std::invalid_argument("a Condition is made of a Lock or an RLock");
  }
  return lock;
}

}  // namespace

ObjectPtr make_sync(Server& server, Call& call, Tags) {
  const std::string_view name = call.name();
  if (name == "Lock" || name == "RLock") {
    return std::make_shared<ServedLock>(server, name == "RLock");
  }
  if (name == "Semaphore" || name == "BoundedSemaphore") {
    return std::make_shared<ServedSemaphore>(
        server, call.size() < 2 ? 1 : call.get<std::uint64_t>(1), name == "BoundedSemaphore");
  }
  if (name == "Event") {
    return std::make_shared<ServedEvent>(server);
  }
  if (name == "Condition") {
    return std::make_shared<ServedCondition>(server, lock_for(server, call));
  }
  if (name == "Barrier") {
    return std::make_shared<ServedBarrier>(server, call.get<std::uint64_t>(1),
                                           call.size() < 3 ? -1 : call.get<std::int64_t>(2));
  }
  return nullptr;
}

}  // namespace mp::manager
