// SPDX-License-Identifier: Apache-2.0
#include "manager/python/server_link.hpp"

#include <sstream>
#include <utility>

#include "mp/errors/error.hpp"

#include "os/proc.hpp"

namespace mp::detail {

namespace python = manager::python;

namespace {

python::Reply exchange(const Connection& connection, const python::Request& request) {
  connection.send_bytes(python::write_request(request));
  const Bytes message = connection.recv_bytes();
  python::Reply reply = python::read_reply(message);
  python::rethrow_error(reply);
  return reply;
}

}  // namespace

PythonServer::PythonServer(Address address, ClientOptions options)
    : address_{std::move(address)}, options_{std::move(options)}, process_{os::pid()} {}

pickle::Value PythonServer::ask(std::string_view function, pickle::Items args,
                                pickle::Pairs named) {
  const Connection connection = Client(address_, options_);
  python::Reply reply = exchange(
      connection, {std::nullopt, std::string{function}, std::move(args), std::move(named)});
  connection.close();
  return std::move(reply.value);
}

Connection PythonServer::session() {
  {
    const std::lock_guard hold{mutex_};
    if (process_ != os::pid()) {
      sessions_.clear();
      process_ = os::pid();
    }
    if (const auto found = sessions_.find(std::this_thread::get_id()); found != sessions_.end()) {
      return found->second;
    }
  }
  Connection connection = Client(address_, options_);
  std::ostringstream name;
  name << "mp-" << os::pid() << "|Thread-" << std::this_thread::get_id();
  exchange(connection, {std::nullopt, "accept_connection", {pickle::Value{name.str()}}});
  const std::lock_guard hold{mutex_};
  sessions_.insert_or_assign(std::this_thread::get_id(), connection);
  return connection;
}

void PythonServer::drop_session() noexcept {
  const std::lock_guard hold{mutex_};
  sessions_.erase(std::this_thread::get_id());
}

python::Reply PythonServer::call(const std::string& id, std::string_view method, pickle::Items args,
                                 pickle::Pairs named) {
  const Connection connection = session();
  const Bytes request =
      python::write_request({id, std::string{method}, std::move(args), std::move(named)});
  Bytes message;
  try {
    connection.send_bytes(request);
    message = connection.recv_bytes();
  } catch (...) {
    // Whatever went wrong, a reply may still be on its way: not for the next request.
    connection.close();
    drop_session();
    throw;
  }
  python::Reply reply = python::read_reply(message);
  python::rethrow_error(reply);
  return reply;
}

void PythonServer::decref(const std::string& id) noexcept {
  try {
    ask("decref", {pickle::Value{id}});
  } catch (const std::exception&) {
    return;
  }
}

}  // namespace mp::detail
