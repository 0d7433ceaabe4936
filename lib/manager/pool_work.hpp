// SPDX-License-Identifier: Apache-2.0
// manager/pool_work.hpp — what a served pool was given to do: a call, a map, or an imap, as an
// object whose results clients wait for.
//
// Of code that a client has sent the answer is the outcome, as the worker wrote it; of a function
// that is registered the values.
//
// Threads: for the thread of the server's loop.
#pragma once

#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mp/base/deadline.hpp"
#include "mp/pool/raw_result.hpp"

#include "manager/served.hpp"

namespace mp::manager {

// What a registered function returned: an item. Without a tag, nothing.
struct NamedResult {
  std::uint64_t tag = 0;
  Bytes bytes = {};
};

// The parts of something that a pool does. Answers the calls that wait for it.
class PoolWork : public Served {
 public:
  PoolWork(Server& server, std::string type, bool is_named)
      : Served{server, std::move(type), {}}, is_named_{is_named} {}
  // A client has many results, one after the other: it is not to remember all of them.
  ~PoolWork() override;

  void add_part(std::shared_ptr<RawResult> part) { parts_.push_back(std::move(part)); }
  // A part has ended: its number.
  virtual void part_done(std::size_t part) = 0;
  [[nodiscard]] virtual bool is_done() const noexcept = 0;
  // Objects that are named in the tasks live as long as those.
  void keep(ObjectPtr object) { kept_.push_back(std::move(object)); }

 protected:
  void let_go() { const std::vector<ObjectPtr> last = std::exchange(kept_, {}); }
  [[nodiscard]] bool is_named() const noexcept { return is_named_; }
  [[nodiscard]] const auto& parts() const noexcept { return parts_; }
  void let_wait(WaitList& list, CallPtr& call, Deadline until, WaitList::Expired expired);

 private:
  bool is_named_;
  std::vector<std::shared_ptr<RawResult>> parts_;
  std::vector<ObjectPtr> kept_;
  std::vector<std::weak_ptr<Session>> waiters_;
};

// Of a call, or a map.
class PoolResult final : public PoolWork {
 public:
  PoolResult(Server& server, bool is_named, bool is_map)
      : PoolWork{server, "AsyncResult", is_named}, is_map_{is_map} {}

  void expect_parts(std::size_t count) noexcept { missing_ = count; }
  [[nodiscard]] bool is_done() const noexcept override { return missing_ == 0; }
  void part_done(std::size_t part) override;
  // Answers `call` with the result, now or later.
  void get_by(CallPtr& call, Deadline until);
  void serve(CallPtr& call) override;
  void forget(Session& session) override;

 private:
  void get(CallPtr& call);
  void wait(CallPtr& call);
  void ready(CallPtr& call) { call->reply_value(is_done()); }
  void successful(CallPtr& call);
  void expect_no_error(const RawResult& part) const;
  void answer(Call& call) const;
  void answer_code(Call& call) const;
  void answer_named(Call& call) const;

  bool is_map_;
  std::size_t missing_ = 0;
  WaitList getting_;
  WaitList waiting_;
};

// Of an imap.
class PoolIterator final : public PoolWork {
 public:
  PoolIterator(Server& server, bool is_named, bool is_ordered)
      : PoolWork{server, "Iterator", is_named}, is_ordered_{is_ordered} {}

  void expect_parts(std::size_t count) { done_.resize(count); }
  [[nodiscard]] bool is_done() const noexcept override { return seen_ == done_.size(); }
  void part_done(std::size_t part) override;
  void serve(CallPtr& call) override;
  void forget(Session& session) override { waiting_.drop(session); }

 private:
  void next(CallPtr& call);
  void close(CallPtr& call);
  [[nodiscard]] bool can_give() const noexcept {
    return closed_ || !values_.empty() || !order_.empty() || is_done();
  }
  void give(Call& call);
  void unpack(const RawResult& part);

  struct Value {
    Item item;
    std::exception_ptr error;
  };
  bool is_ordered_;
  bool closed_ = false;
  std::vector<bool> done_;
  std::size_t seen_ = 0;
  std::size_t first_missing_ = 0;
  std::deque<std::size_t> order_;  // parts that are done, and nobody has had
  std::deque<Value> values_;       // of the part that is being given
  WaitList waiting_;
};

}  // namespace mp::manager
