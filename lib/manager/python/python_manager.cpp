// SPDX-License-Identifier: Apache-2.0
#include "mp/manager/python_manager.hpp"

#include <algorithm>
#include <utility>

#include "mp/base/contract.hpp"
#include "mp/codec/pickle/exception.hpp"
#include "mp/errors/error.hpp"
#include "mp/errors/remote_error.hpp"

#include "manager/python/protocol.hpp"
#include "manager/python/server_link.hpp"
#include "os/proc.hpp"

namespace mp {

namespace python = manager::python;

namespace detail {

// One reference in the server, shared by the copies of a proxy.
struct PythonReference {
  PythonReference(std::shared_ptr<PythonServer> the_server, std::string the_type,
                  std::string the_id, std::vector<std::string> the_exposed)
      : server{std::move(the_server)},
        type{std::move(the_type)},
        id{std::move(the_id)},
        exposed{std::move(the_exposed)} {}
  PythonReference(const PythonReference&) = delete;
  PythonReference& operator=(const PythonReference&) = delete;
  // A forked child has a copy of the proxy, and no reference in the server.
  ~PythonReference() {
    if (process == os::pid()) {
      server->decref(id);
    }
  }

  std::shared_ptr<PythonServer> server;
  std::string type;
  std::string id;
  std::vector<std::string> exposed;
  int process = os::pid();
};

}  // namespace detail

namespace {

detail::PythonReference& checked(const std::shared_ptr<detail::PythonReference>& reference) {
  MP_EXPECTS(reference != nullptr, "this PythonProxy is of no object");
  return *reference;
}

bool has(const std::vector<std::string>& exposed, std::string_view method) {
  return std::find(exposed.begin(), exposed.end(), method) != exposed.end();
}

}  // namespace

PythonManager::PythonManager(Address address, ClientOptions options)
    : server_{std::make_shared<detail::PythonServer>(std::move(address), std::move(options))} {
  server_->ask("dummy");
}

PythonProxy PythonManager::create(std::string_view type, pickle::Items args,
                                  pickle::Pairs named) const {
  args.insert(args.begin(), pickle::Value{type});
  python::Created made =
      python::created_of(server_->ask("create", std::move(args), std::move(named)));
  return PythonProxy{std::make_shared<detail::PythonReference>(
      server_, std::string{type}, std::move(made.id), std::move(made.exposed))};
}

const Address& PythonManager::address() const noexcept {
  return server_->address();
}

std::size_t PythonManager::number_of_objects() const {
  return pickle::to<std::size_t>(server_->ask("number_of_objects"));
}

std::string PythonManager::debug_info() const {
  return pickle::to<std::string>(server_->ask("debug_info"));
}

void PythonManager::shutdown() const {
  server_->ask("shutdown");
}

PythonProxy::Outcome PythonProxy::call_method(std::string_view method, pickle::Items args,
                                              pickle::Pairs named) const {
  const detail::PythonReference& object = checked(reference_);
  python::Reply reply = object.server->call(object.id, method, std::move(args), std::move(named));
  if (reply.kind != python::Reply::Kind::proxy) {
    return std::move(reply.value);
  }
  // The server has counted one reference for us.
  return PythonProxy{std::make_shared<detail::PythonReference>(
      object.server, std::move(reply.token.type), std::move(reply.token.id),
      std::move(reply.exposed))};
}

pickle::Value PythonProxy::as_value(const Outcome& outcome) {
  if (const auto* proxy = std::get_if<PythonProxy>(&outcome)) {
    return proxy->to_pickle();
  }
  return std::get<pickle::Value>(outcome);
}

PythonProxy PythonProxy::as_proxy(const Outcome& outcome) const {
  if (const auto* proxy = std::get_if<PythonProxy>(&outcome)) {
    return *proxy;
  }
  return adopt(std::get<pickle::Value>(outcome));
}

PythonProxy PythonProxy::adopt(const pickle::Value& value) const {
  auto pickled = python::proxy_of(value);
  if (!pickled) {
    pickle::detail::throw_mismatch("proxy", value);
  }
  const auto& server = checked(reference_).server;
  std::vector<std::string> exposed = std::move(pickled->exposed);
  if (const auto* known = python::served_type(pickled->token.type); exposed.empty() && known) {
    exposed.assign(known->exposed.begin(), known->exposed.end());
  }
  server->incref(pickled->token.id);
  return PythonProxy{std::make_shared<detail::PythonReference>(
      server, std::move(pickled->token.type), std::move(pickled->token.id), std::move(exposed))};
}

std::vector<pickle::Value> PythonProxy::all() const {
  const auto& exposed = checked(reference_).exposed;
  std::vector<pickle::Value> values;
  if (!has(exposed, "__iter__") && !has(exposed, "__next__")) {
    const auto size = call<std::size_t>("__len__");
    for (std::size_t i = 0; i != size; ++i) {
      values.push_back(call<pickle::Value>("__getitem__", i));
    }
    return values;
  }
  const PythonProxy iterator = has(exposed, "__next__") ? *this : call<PythonProxy>("__iter__");
  for (;;) {
    try {
      values.push_back(iterator.call<pickle::Value>("__next__"));
    } catch (const RemoteError& error) {
      if (error.type_name() != "StopIteration") {
        throw;
      }
      return values;
    }
  }
}

const std::string& PythonProxy::type() const {
  return checked(reference_).type;
}

const std::string& PythonProxy::id() const {
  return checked(reference_).id;
}

const std::vector<std::string>& PythonProxy::exposed() const {
  return checked(reference_).exposed;
}

pickle::Value PythonProxy::to_pickle() const {
  const detail::PythonReference& object = checked(reference_);
  const auto* known = python::served_type(object.type);
  return python::to_value(
      python::ProxyPickle{known != nullptr ? std::string{known->proxy_class} : "AutoProxy",
                          {object.type, python::to_value(object.server->address()), object.id},
                          object.exposed});
}

}  // namespace mp
