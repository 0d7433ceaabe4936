// SPDX-License-Identifier: Apache-2.0
// CPython's requests, replies, tokens and proxies, as bytes.
#include "manager/python/protocol.hpp"

#include <gtest/gtest.h>
#include <stdexcept>
#include <string>

#include "mp/errors/error.hpp"
#include "mp/errors/remote_error.hpp"

namespace mp::manager::python {
namespace {

Bytes raw(std::string_view text) {
  const ByteView bytes = std::as_bytes(std::span{text});
  return Bytes(bytes.begin(), bytes.end());
}

TEST(PythonProtocol, ReadsARequestOfCPython) {
  using namespace std::string_view_literals;
  // ForkingPickler.dumps((None, 'create', ('dict',), {'a': 1})) of 3.11.
  const Request request =
      read_request(raw("\x80\x04\x95\x22\0\0\0\0\0\0\0(N\x8c\x06"
                       "create\x94\x8c\x04"
                       "dict\x94\x85\x94}\x94\x8c\x01"
                       "a\x94K\x01st\x94."sv));
  EXPECT_FALSE(request.id);
  EXPECT_EQ(request.method, "create");
  EXPECT_EQ(request.args, Items{Value{"dict"}});
  EXPECT_EQ(request.kwds, (Pairs{{"a", 1}}));
}

TEST(PythonProtocol, ReadsWhatItWrites) {
  const Request request{"7f", "append", {Value{1}, Value::list({})}, {{"k", nullptr}}};
  const Request again = read_request(write_request(request));
  EXPECT_EQ(again.id, "7f");
  EXPECT_EQ(again.method, request.method);
  EXPECT_EQ(again.args, request.args);
  EXPECT_EQ(again.kwds, request.kwds);

  const Token token{"dict", Value::tuple({"host", 5000}), "7f"};
  const std::vector<std::string> exposed = {"get", "set"};
  const Reply proxy = read_reply(proxy_reply(exposed, token));
  EXPECT_EQ(proxy.kind, Reply::Kind::proxy);
  EXPECT_EQ(proxy.exposed, exposed);
  EXPECT_EQ(proxy.token, token);
  EXPECT_EQ(read_reply(value_reply(Value{5})).value, Value{5});
  EXPECT_EQ(created_of(to_value(Created{"7f", exposed})).exposed, exposed);

  const auto pickled = proxy_of(to_value(ProxyPickle{"AutoProxy", token, exposed}));
  ASSERT_TRUE(pickled);
  EXPECT_EQ(pickled->proxy_class, "AutoProxy");
  EXPECT_EQ(pickled->token, token);
  EXPECT_EQ(pickled->exposed, exposed);
  for (const Address& address : {tcp("::1", 80), unix_socket("/x"), abstract_socket("name")}) {
    EXPECT_EQ(address_of(to_value(address)), address);
  }
}

TEST(PythonProtocol, ErrorsArriveAsWhatTheyAre) {
  const auto thrown = [](const Bytes& message) { rethrow_error(read_reply(message)); };
  const auto key_error = Value::object("builtins", "KeyError", {Value{"k"}});
  try {
    thrown(error_reply(key_error));
    FAIL();
  } catch (const std::out_of_range& error) {
    EXPECT_STREQ(error.what(), "'k'");
    EXPECT_EQ(remote_info(error)->type_name, "KeyError");
  }
  EXPECT_THROW(thrown(error_reply(Value::object("queue", "Empty", {}))), Empty);
  EXPECT_THROW(thrown(error_reply(Value::object("builtins", "OSError", {Value{2}, Value{"no"}}))),
               OsError);
  // From one process of mp to another, as what it was, and to Python as a ValueError.
  const Bytes own = error_reply(std::make_exception_ptr(std::domain_error{"no funds"}));
  EXPECT_THROW(thrown(own), std::domain_error);
  EXPECT_TRUE(read_reply(own).value.as_object().is("builtins", "ValueError"));
  try {
    thrown(traceback_reply("Traceback ...\n  File ...\nKeyError: '7f'\n"));
    FAIL();
  } catch (const RemoteError& error) {
    EXPECT_STREQ(error.what(), "KeyError: '7f'");
    EXPECT_EQ(error.type_name(), "KeyError");
    EXPECT_NE(error.stack().find("Traceback"), std::string::npos);
  }
  EXPECT_THROW(thrown(unserializable_reply("<lock>")), RemoteError);
  EXPECT_NO_THROW(thrown(value_reply(Value{})));
}

TEST(PythonProtocol, RefusesWhatIsNoMessage) {
  for (const Value& value :
       {Value{}, Value::tuple({1, 2, 3, 4}), Value::tuple({nullptr, "m", 1, Value::dict({})}),
        Value::tuple({nullptr, "m", Value::tuple({}), Value::dict({{1, 2}})})}) {
    EXPECT_THROW(static_cast<void>(read_request(pickle::encode(value))), DecodeError);
  }
  for (const Value& value : {Value{}, Value::tuple({"#OTHER", 1}), Value::tuple({"#PROXY", 1}),
                             Value::tuple({"#TRACEBACK", 1}), Value::tuple({1, 2})}) {
    EXPECT_THROW(static_cast<void>(read_reply(pickle::encode(value))), DecodeError);
  }
  EXPECT_THROW(static_cast<void>(created_of(Value::tuple({1, 2}))), TypeMismatch);
  EXPECT_FALSE(address_of(Value{3}));
  EXPECT_FALSE(address_of(Value::tuple({"h", 70000})));
}

}  // namespace
}  // namespace mp::manager::python
