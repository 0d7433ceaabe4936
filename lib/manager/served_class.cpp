// SPDX-License-Identifier: Apache-2.0
// Design
//
// A call of a user's class goes to the pool with its arguments, and comes back to the loop with a
// result in bytes. While it is away nobody of the loop touches it, and the pool touches nothing
// that belongs to the loop; so the call, with all that it holds, is destroyed where it was made.
#include <algorithm>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "mp/errors/error.hpp"

#include "manager/server.hpp"

namespace mp::manager {

namespace {

// A call while it is away.
class Away final : public mp::detail::ServedCall {
 public:
  explicit Away(CallPtr call) : call_{std::move(call)} {}

  void expect_arguments(std::size_t count) override { call_->expect(count); }
  mp::detail::ItemView argument(std::size_t index) override { return call_->view(index); }
  Carrier* carrier() override { return &carrier_; }
  Writer& begin_result(std::uint64_t tag, std::size_t) override {
    tag_ = tag;
    return result_;
  }

  void put_object(std::uint64_t class_id, std::shared_ptr<void> object) override {
    class_id_ = class_id;
    object_ = std::move(object);
  }
  void fail() noexcept { error_ = std::current_exception(); }
  // Back in the loop.
  void answer() {
    if (error_) {
      call_->fail(error_);
    } else if (class_id_ != 0) {
      answer_object();
    } else if (tag_ == 0) {
      call_->reply_nothing();
    } else {
      std::vector<ObjectPtr> objects;
      try {
        for (const std::uint64_t id : carrier_.objects) {
          objects.push_back(call_->session().server().find(id));
        }
        call_->reply_encoded(tag_, result_.written(), objects);
      } catch (...) {
        call_->fail(std::current_exception());
      }
    }
  }
  [[nodiscard]] Call& call() noexcept { return *call_; }
  [[nodiscard]] CallPtr take_call() noexcept { return std::move(call_); }
  [[nodiscard]] bool failed() const noexcept { return error_ != nullptr; }

  // Of a method that returns an object: nothing, for a null one.
  void answer_object();

 private:
  struct Notes final : mp::detail::ProxyCarrier {
    std::vector<std::uint64_t> objects;
  };

  CallPtr call_;
  Notes carrier_;
  Writer result_{&carrier_};
  std::uint64_t tag_ = 0;
  std::uint64_t class_id_ = 0;
  std::shared_ptr<void> object_;
  std::exception_ptr error_;
};

class ServedObject final : public Served {
 public:
  ServedObject(Server& server, const mp::detail::ServedType& type, std::shared_ptr<void> object)
      : Served{server, type.name, {}},
        kind_{type},
        object_{std::move(object)},
        strand_{type.thread_safe ? nullptr : std::make_shared<WorkerPool::Strand>()} {
    server.served_at(object_.get(), &kind_) = id();
  }
  // A destructor of a user's may take its time, too.
  ~ServedObject() override {
    server().not_served_at(object_.get(), &kind_);
    server().workers().submit(strand_, [object = std::move(object_)]() mutable { object.reset(); });
  }

  std::vector<std::string> methods() const override {
    std::vector<std::string> names;
    for (const mp::detail::ServedMethod& method : kind_.methods) {
      names.push_back(method.name);
    }
    return names;
  }
  void serve(CallPtr& call) override {
    const auto method = std::find_if(
        kind_.methods.begin(), kind_.methods.end(),
        [&](const mp::detail::ServedMethod& each) { return each.name == call->name(); });
    if (method == kind_.methods.end()) {
      throw_unknown_method(type(), call->name());
    }
    auto away = std::make_shared<Away>(std::move(call));
    // `this` lives on in the call's answer.
    server().workers().submit(
        strand_, [away = std::move(away), &method = *method, self = shared_from_this(), this,
                  &server = server()]() mutable {
          try {
            method.thunk(method.target, object_.get(), *away);
          } catch (...) {
            away->fail();
          }
          // Nothing of it stays with this thread, not even the last reference.
          server.loop().post([away = std::move(away), self = std::move(self)] { away->answer(); });
        });
  }

 private:
  const mp::detail::ServedType& kind_;
  std::shared_ptr<void> object_;
  std::shared_ptr<WorkerPool::Strand> strand_;
};

void Away::answer_object() {
  try {
    if (!object_) {
      call_->reply_nothing();
      return;
    }
    Server& server = call_->session().server();
    const mp::detail::ServedType* type = server.registry().find_class(class_id_);
    if (type == nullptr) {
      throw UsageError{"the class of the object that was returned is not registered"};
    }
    ObjectPtr served = server.find_served(object_.get(), type);
    if (!served) {
      served = std::make_shared<ServedObject>(server, *type, std::move(object_));
      server.enter(served);
    }
    call_->reply_object(served);
  } catch (...) {
    call_->fail(std::current_exception());
  }
}

}  // namespace

void make_registered(Server& server, const mp::detail::ServedType& type, CallPtr& call) {
  if (type.make == nullptr) {
    throw UsageError{"objects of this type are made by methods only"};
  }
  auto away = std::make_shared<Away>(std::move(call));
  server.workers().submit(nullptr, [away = std::move(away), &type, &server]() mutable {
    std::shared_ptr<void> made;
    try {
      made = type.make(*away);
    } catch (...) {
      away->fail();
    }
    server.loop().post([away = std::move(away), made = std::move(made), &type, &server] {
      if (away->failed()) {
        away->answer();
        return;
      }
      const auto object = std::make_shared<ServedObject>(server, type, made);
      server.enter(object);
      away->call().reply_object(object);
    });
  });
}

}  // namespace mp::manager
