// SPDX-License-Identifier: Apache-2.0
#include "manager/pool_work.hpp"

#include <algorithm>

#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"
#include "mp/manager/pool_proxy.hpp"
#include "mp/process/raw_call.hpp"

#include "manager/server.hpp"

namespace mp::manager {

namespace {

Item item_of(NamedResult&& result) {
  if (result.tag == 0) {
    return make_item(pickle::Value{});
  }
  return {
      result.tag, {reinterpret_cast<const char*>(result.bytes.data()), result.bytes.size()}, {}};
}

Item outcome_item(const RawResult& part, bool is_batch) {
  const ByteView bytes = part.outcome();
  return {is_batch ? mp::detail::kPoolBatchTag : mp::detail::kPoolOutcomeTag,
          {reinterpret_cast<const char*>(bytes.data()), bytes.size()},
          {}};
}

void reply_all(Call& call, const std::vector<Item>& items) {
  std::vector<const Item*> pointers;
  for (const Item& item : items) {
    pointers.push_back(&item);
  }
  call.reply_items(pointers);
}

void fail_late(Call& call) {
  call.fail(std::make_exception_ptr(TimeoutError{"the result was not there in time"}));
}

}  // namespace

PoolWork::~PoolWork() {
  for (const auto& weak : waiters_) {
    if (const auto session = weak.lock()) {
      session->unconcern(id());
    }
  }
}

void PoolWork::let_wait(WaitList& list, CallPtr& call, Deadline until, WaitList::Expired expired) {
  const std::weak_ptr<Session> session = call->session().weak_from_this();
  const bool known = std::any_of(waiters_.begin(), waiters_.end(), [&](const auto& each) {
    return !each.owner_before(session) && !session.owner_before(each);
  });
  if (!known) {
    waiters_.push_back(session);
  }
  list.add(*this, call, until, std::move(expired));
}

void PoolResult::part_done(std::size_t) {
  if (--missing_ != 0) {
    return;
  }
  let_go();
  while (!getting_.empty()) {
    answer(*getting_.pop());
  }
  while (!waiting_.empty()) {
    waiting_.pop()->reply_value(true);
  }
}

void PoolResult::get_by(CallPtr& call, Deadline until) {
  if (is_done()) {
    answer(*call);
  } else if (until.passed()) {
    fail_late(*call);
  } else {
    let_wait(getting_, call, until, [](CallPtr& late) { fail_late(*late); });
  }
}

void PoolResult::serve(CallPtr& call) {
  static constexpr Method<PoolResult> kMethods[] = {{"get", &PoolResult::get},
                                                    {"wait", &PoolResult::wait},
                                                    {"ready", &PoolResult::ready},
                                                    {"successful", &PoolResult::successful}};
  serve_by_name(*this, kMethods, call);
}

void PoolResult::forget(Session& session) {
  getting_.drop(session);
  waiting_.drop(session);
}

void PoolResult::get(CallPtr& call) {
  call->expect(0, 1);
  get_by(call, call->deadline(0));
}

void PoolResult::wait(CallPtr& call) {
  call->expect(0, 1);
  const Deadline until = call->deadline(0);
  if (is_done() || until.passed()) {
    call->reply_value(is_done());
  } else {
    let_wait(waiting_, call, until, [](CallPtr& late) { late->reply_value(false); });
  }
}

void PoolResult::successful(CallPtr& call) {
  MP_EXPECTS(is_done(), "the result is not there yet");
  bool success = true;
  try {
    for (const auto& part : parts()) {
      expect_no_error(*part);
    }
  } catch (...) {
    success = false;
  }
  call->reply_value(success);
}

void PoolResult::expect_no_error(const RawResult& part) const {
  Reader in{part.outcome()};
  if (!is_map_) {
    expect_success(in);
    return;
  }
  BatchOutcome chunk{in};
  while (const auto item = chunk.next()) {
    item->get<void>();
  }
}

void PoolResult::answer(Call& call) const {
  try {
    is_named() ? answer_named(call) : answer_code(call);
  } catch (...) {
    call.fail(std::current_exception());
  }
}

void PoolResult::answer_code(Call& call) const {
  std::vector<Item> items;
  for (const auto& part : parts()) {
    items.push_back(outcome_item(*part, is_map_));
  }
  reply_all(call, items);
}

void PoolResult::answer_named(Call& call) const {
  if (!is_map_) {
    Reader in{parts().front()->outcome()};
    NamedResult result = read_outcome<NamedResult>(in);
    if (result.tag == 0) {
      call.reply_nothing();
    } else {
      call.reply(item_of(std::move(result)));
    }
    return;
  }
  std::vector<Item> items;
  for (const auto& part : parts()) {
    Reader in{part->outcome()};
    BatchOutcome chunk{in};
    while (const auto item = chunk.next()) {
      items.push_back(item_of(item->get<NamedResult>()));
    }
  }
  reply_all(call, items);
}

void PoolIterator::part_done(std::size_t part) {
  done_[part] = true;
  ++seen_;
  if (!is_ordered_) {
    order_.push_back(part);
  } else {
    while (first_missing_ != done_.size() && done_[first_missing_]) {
      order_.push_back(first_missing_++);
    }
  }
  if (is_done()) {
    let_go();
  }
  while (!waiting_.empty() && can_give()) {
    give(*waiting_.pop());
  }
}

void PoolIterator::serve(CallPtr& call) {
  static constexpr Method<PoolIterator> kMethods[] = {{"next", &PoolIterator::next},
                                                      {"close", &PoolIterator::close}};
  serve_by_name(*this, kMethods, call);
}

void PoolIterator::next(CallPtr& call) {
  call->expect(0, 1);
  const Deadline until = call->deadline(0);
  if (can_give()) {
    give(*call);
  } else if (until.passed()) {
    fail_late(*call);
  } else {
    let_wait(waiting_, call, until, [](CallPtr& late) { fail_late(*late); });
  }
}

// What comes is not given to anybody.
void PoolIterator::close(CallPtr& call) {
  closed_ = true;
  values_.clear();
  while (!waiting_.empty()) {
    give(*waiting_.pop());
  }
  call->reply_nothing();
}

// A chunk of code's, or a value of a named function's; no items behind the last.
void PoolIterator::give(Call& call) {
  if (closed_ || (values_.empty() && order_.empty())) {
    call.reply_items({});
    return;
  }
  if (values_.empty()) {
    const std::shared_ptr<RawResult> part = parts()[order_.front()];
    order_.pop_front();
    if (!is_named()) {
      const Item item = outcome_item(*part, true);
      const Item* const pointer = &item;
      call.reply_items({&pointer, 1});
      return;
    }
    unpack(*part);
  }
  Value value = std::move(values_.front());
  values_.pop_front();
  if (value.error) {
    call.fail(value.error);
    return;
  }
  const Item* const pointer = &value.item;
  call.reply_items({&pointer, 1});
}

void PoolIterator::unpack(const RawResult& part) {
  try {
    Reader in{part.outcome()};
    BatchOutcome chunk{in};
    while (const auto item = chunk.next()) {
      try {
        values_.push_back({item_of(item->get<NamedResult>()), nullptr});
      } catch (...) {
        values_.push_back({{}, std::current_exception()});
      }
    }
  } catch (...) {
    values_.push_back({{}, std::current_exception()});
  }
}

}  // namespace mp::manager
