// SPDX-License-Identifier: Apache-2.0
// manager/python/server_link.hpp — this process's connections to one manager of CPython.
//
// Its server has a thread for each connection and answers one request at a time on it, so each of
// our threads has a connection of its own; a thread that blocks in a method holds up nobody else.
// Requests for the server itself, create and its kin, take a connection each: it closes after one.
//
// Threads: everything may be called from any thread.
// Fork:    the child begins without connections; those of its parent are left alone.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>

#include "mp/connection/address.hpp"
#include "mp/connection/client.hpp"
#include "mp/connection/connection.hpp"

#include "manager/python/protocol.hpp"

namespace mp::detail {

class PythonServer {
 public:
  PythonServer(Address address, ClientOptions options);

  // Asks the server itself. Throws what it answers if that is an error.
  pickle::Value ask(std::string_view function, pickle::Items args = {}, pickle::Pairs named = {});
  // Asks an object, over the connection of this thread.
  manager::python::Reply call(const std::string& id, std::string_view method, pickle::Items args,
                              pickle::Pairs named);
  void incref(const std::string& id) { ask("incref", {pickle::Value{id}}); }
  // A server that is gone has nothing to give back to.
  void decref(const std::string& id) noexcept;

  [[nodiscard]] const Address& address() const noexcept { return address_; }

 private:
  Connection session();
  void drop_session() noexcept;

  const Address address_;
  const ClientOptions options_;
  std::mutex mutex_;
  // With the mutex. A thread that has ended leaves its connection to the next one with its name.
  int process_;
  std::unordered_map<std::thread::id, Connection> sessions_;
};

}  // namespace mp::detail
