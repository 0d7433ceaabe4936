// SPDX-License-Identifier: Apache-2.0
// manager/python/methods.hpp — what Python's methods are made of: calls of ours.
//
// Each type that the server has comes with a table of the methods that CPython's type has. A method
// looks at its arguments, asks the object, at once or in a way that may take its time, and says
// what Python is to get. All that one method does happens with nobody else in between.
//
// Threads: for the thread of the server's loop.
// Throws:  Raised, for an exception of Python's; others go to Python as pickle::from_exception has
//          them.
#pragma once

#include <exception>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "manager/python/protocol.hpp"
#include "manager/served.hpp"

namespace mp::manager::python {

class Conversation;

// An exception of Python's.
class Raised : public std::exception {
 public:
  explicit Raised(Value exception) : exception_{std::move(exception)} {}
  [[nodiscard]] const Value& exception() const noexcept { return exception_; }
  [[nodiscard]] const char* what() const noexcept override { return "an exception of Python's"; }

 private:
  Value exception_;
};

[[noreturn]] void raise(std::string_view type, Items args, std::string_view module = "builtins");
[[noreturn]] void raise_type_error(std::string_view text);
[[noreturn]] void raise_value_error(std::string_view text);

// The arguments of a request by the names of the parameters.
class Arguments {
 public:
  // Throws Raised (TypeError) when there are others, or one of the first `required` is missing.
  Arguments(const Request& request, std::initializer_list<std::string_view> names,
            std::size_t required = 0);
  [[nodiscard]] bool has(std::size_t index) const { return values_.at(index) != nullptr; }
  [[nodiscard]] const Value& at(std::size_t index) const { return *values_.at(index); }
  [[nodiscard]] Value get(std::size_t index, Value otherwise = {}) const {
    return has(index) ? at(index) : std::move(otherwise);
  }

 private:
  std::vector<const Value*> values_;
};

// The arguments of `call` of a lock or a queue: nanoseconds to wait, negative for ever.
[[nodiscard]] std::int64_t time_to_wait(const Value& blocking, const Value& timeout);
// The same, without `blocking`; None is for ever.
[[nodiscard]] std::int64_t time_to_wait(const Value& timeout);

// What an answer is in Python.
using Shape = Value (*)(const Conversation& to, Outcome&& outcome);
// None for nothing, the value for a value, a list for several.
[[nodiscard]] Value as_it_is(const Conversation& to, Outcome&& outcome);

// One call of a method.
class Invocation {
 public:
  Invocation(Conversation& from, const Request& request, ObjectPtr object)
      : from_{from}, request_{request}, object_{std::move(object)} {}

  [[nodiscard]] const Request& request() const noexcept { return request_; }
  [[nodiscard]] Served& object() const noexcept { return *object_; }
  [[nodiscard]] Server& server() const noexcept { return object_->server(); }
  [[nodiscard]] Conversation& from() const noexcept { return from_; }
  [[nodiscard]] Arguments arguments(std::initializer_list<std::string_view> names,
                                    std::size_t required = 0) const {
    return {request_, names, required};
  }

  [[nodiscard]] Item item(const Value& value) const;
  [[nodiscard]] Value value(const Item& item) const;
  // Calls a method of ours that answers at once. Throws what it fails with.
  Outcome run(std::string_view method, std::vector<Item> args = {}) const {
    return run_on(*object_, method, std::move(args));
  }
  Outcome run_on(Served& object, std::string_view method, std::vector<Item> args = {}) const;
  // The only value of its answer.
  [[nodiscard]] Value value_of(std::string_view method, std::vector<Item> args = {}) const;
  // The values of its answer.
  [[nodiscard]] Items values_of(std::string_view method, std::vector<Item> args = {}) const;
  // Calls one that may wait; Python gets its answer, in that shape.
  void ask(std::string_view method, std::vector<Item> args, Shape shape = &as_it_is) const;

  void reply(const Value& value = {}) const;
  void reply_object(const ObjectPtr& object) const;
  // The elements of something iterable: a container, or a proxy to one of this server.
  [[nodiscard]] Items elements(const Value& iterable) const;
  // The items of a dict, or of what dict() makes one of.
  [[nodiscard]] Pairs pairs(const Value& mapping) const;

 private:
  Conversation& from_;
  const Request& request_;
  ObjectPtr object_;
};

struct Method {
  std::string_view name;
  void (*run)(Invocation& call);
  bool exposed = true;
};

// The table of a standard type; empty for others.
[[nodiscard]] std::span<const Method> methods_of(const Served& object) noexcept;
// Its parts.
[[nodiscard]] std::span<const Method> dict_methods() noexcept;
[[nodiscard]] std::span<const Method> list_methods() noexcept;
[[nodiscard]] std::span<const Method> array_methods() noexcept;
[[nodiscard]] std::span<const Method> set_methods() noexcept;
[[nodiscard]] std::span<const Method> namespace_methods() noexcept;
[[nodiscard]] std::span<const Method> value_methods() noexcept;
[[nodiscard]] std::span<const Method> iterator_methods() noexcept;
[[nodiscard]] std::span<const Method> queue_methods() noexcept;
[[nodiscard]] std::span<const Method> lock_methods() noexcept;
[[nodiscard]] std::span<const Method> semaphore_methods() noexcept;
[[nodiscard]] std::span<const Method> condition_methods() noexcept;
[[nodiscard]] std::span<const Method> event_methods() noexcept;
[[nodiscard]] std::span<const Method> barrier_methods() noexcept;
[[nodiscard]] std::span<const Method> pool_methods() noexcept;
[[nodiscard]] std::span<const Method> pool_result_methods() noexcept;

// Makes an object of a standard type from Python's arguments, or returns nothing if there is no
// such type. `request` is the call of create.
[[nodiscard]] ObjectPtr make_standard(Conversation& from, const Request& request);
// The arguments of our creation of a Pool, of those of Python's.
[[nodiscard]] std::vector<Item> pool_arguments(const Request& request);
// An iterator over values that are kept.
[[nodiscard]] ObjectPtr make_iterator(Server& server, std::vector<Item> items);

}  // namespace mp::manager::python
