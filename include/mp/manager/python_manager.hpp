// SPDX-License-Identifier: Apache-2.0
// mp/manager/python_manager.hpp — the objects of a manager that CPython serves.
//
//     # Python:  m = SyncManager(("", 5000), authkey=b"secret"); m.get_server().serve_forever()
//     mp::PythonManager manager{mp::tcp("host", 5000), {.authkey = "secret"}};
//     mp::PythonProxy scores = manager.create("dict");
//     scores.call("__setitem__", "anna", 7);
//     int seven = scores.call<int>("__getitem__", "anna");
//     for (const auto& name : scores.iterate<std::string>()) ...
//
// Any method that the server exposes can be called by its name, with arguments that have a
// pickle::Convert, and its result taken as any such type, as a pickle::Value, or as a proxy.
//
// Threads:   any number may use one manager and its proxies; each has a connection of its own to
// the
//            server, which knows by it who holds a Lock or an RLock.
// Processes: a proxy can be an argument of a call: the server then refers to its own object. To
//            other processes it goes as a pickle.
// Fork:      a child may use what it inherited, over connections of its own.
// Crash:     when the server is gone, calls throw EOFError or OsError. CPython's server does not
// take
//            back what a killed client held.
// Owns:      a proxy one reference in the server, given back when its last copy is gone.
// Blocks:    as long as the server takes.
// Throws:    what the method throws, as mp/codec/pickle/exception.hpp says; RemoteError for unknown
//            types, objects and methods, with the server's traceback in remote_info().
//            AuthenticationError: another key. TypeMismatch, DecodeError: a result of another type.
// Python:    multiprocessing.managers.BaseManager.connect and BaseProxy._callmethod, 3.6 to 3.14.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "mp/base/export.hpp"
#include "mp/codec/pickle.hpp"
#include "mp/connection/address.hpp"
#include "mp/connection/client.hpp"

namespace mp {

class PythonProxy;

namespace detail {

class PythonServer;
struct PythonReference;

}  // namespace detail

class MP_API PythonManager {
 public:
  // Connects, to see that the server is there and has the key.
  explicit PythonManager(Address address, ClientOptions options = {});

  // Makes an object of a type that the server has registered, and returns a proxy of it.
  template <class... Args>
  [[nodiscard]] PythonProxy create(std::string_view type, const Args&... args) const;
  [[nodiscard]] PythonProxy create(std::string_view type, pickle::Items args,
                                   pickle::Pairs named) const;

  [[nodiscard]] const Address& address() const noexcept;
  [[nodiscard]] std::size_t number_of_objects() const;
  [[nodiscard]] std::string debug_info() const;
  // Makes the server end.
  void shutdown() const;

 private:
  std::shared_ptr<detail::PythonServer> server_;
};

class MP_API PythonProxy {
 public:
  // No object: calls throw UsageError.
  PythonProxy() noexcept = default;

  // Calls the method, and returns its result as an R.
  template <class R = void, class... Args>
  R call(std::string_view method, const Args&... args) const;
  // The same with arguments by name.
  template <class R = void>
  R call_with(std::string_view method, pickle::Items args, pickle::Pairs named) const {
    return result<R>(call_method(method, std::move(args), std::move(named)));
  }

  // Everything that Python's `for` would see: through an iterator in the server if it has one, and
  // by position otherwise.
  template <class T = pickle::Value>
  [[nodiscard]] std::vector<T> iterate() const;

  // An attribute of a Namespace or a Barrier.
  template <class R = pickle::Value>
  [[nodiscard]] R attribute(std::string_view name) const {
    return call<R>("__getattribute__", std::string{name});
  }
  template <class T>
  void set_attribute(std::string_view name, const T& value) const {
    call("__setattr__", std::string{name}, value);
  }

  // A copy of the object, if it can be pickled.
  template <class R = pickle::Value>
  [[nodiscard]] R copy() const {
    return call<R>("#GETVALUE");
  }
  // What str() shows of the object.
  [[nodiscard]] std::string str() const { return call<std::string>("__str__"); }

  [[nodiscard]] const std::string& type() const;
  [[nodiscard]] const std::string& id() const;
  // The methods that may be called.
  [[nodiscard]] const std::vector<std::string>& exposed() const;
  // How the proxy looks inside a message.
  [[nodiscard]] pickle::Value to_pickle() const;

 private:
  friend class PythonManager;
  friend struct detail::PythonReference;
  using Outcome = std::variant<pickle::Value, PythonProxy>;

  explicit PythonProxy(std::shared_ptr<detail::PythonReference> reference) noexcept
      : reference_{std::move(reference)} {}
  template <class T>
  static pickle::Value argument(const T& value) {
    if constexpr (std::is_same_v<T, PythonProxy>) {
      return value.to_pickle();
    } else {
      return pickle::from(value);
    }
  }
  [[nodiscard]] Outcome call_method(std::string_view method, pickle::Items args,
                                    pickle::Pairs named) const;
  [[nodiscard]] static pickle::Value as_value(const Outcome& outcome);
  [[nodiscard]] PythonProxy as_proxy(const Outcome& outcome) const;
  // The proxy that lies inside a result.
  [[nodiscard]] PythonProxy adopt(const pickle::Value& value) const;
  [[nodiscard]] std::vector<pickle::Value> all() const;

  template <class R>
  R result(const Outcome& outcome) const {
    if constexpr (std::is_void_v<R>) {
      return;
    } else if constexpr (std::is_same_v<R, PythonProxy>) {
      return as_proxy(outcome);
    } else {
      return pickle::to<R>(as_value(outcome));
    }
  }

  std::shared_ptr<detail::PythonReference> reference_;
};

template <class... Args>
PythonProxy PythonManager::create(std::string_view type, const Args&... args) const {
  return create(type, pickle::Items{PythonProxy::argument(args)...}, {});
}

template <class R, class... Args>
R PythonProxy::call(std::string_view method, const Args&... args) const {
  return result<R>(call_method(method, pickle::Items{argument(args)...}, {}));
}

template <class T>
std::vector<T> PythonProxy::iterate() const {
  std::vector<T> values;
  for (const pickle::Value& value : all()) {
    if constexpr (std::is_same_v<T, PythonProxy>) {
      values.push_back(adopt(value));
    } else {
      values.push_back(pickle::to<T>(value));
    }
  }
  return values;
}

}  // namespace mp
