// SPDX-License-Identifier: Apache-2.0
// send and recv of Codec::pickle against those of the machine's Python, in both roles.
// MP_TEST_PYTHON names others to try instead, separated by colons.
#include <bitset>
#include <chrono>
#include <gtest/gtest.h>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "mp/codec.hpp"
#include "mp/connection.hpp"
#include "mp/errors/error.hpp"

#include "codec/pickle_golden.hpp"
#include "support/program.hpp"
#include "support/scratch_dir.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using pickle::Value;
using test::Program;

struct Job {
  int id = 0;
  std::string command;
  friend bool operator==(const Job&, const Job&) = default;
};

// Sends back what it receives, as its default protocol has it and then as each protocol has it; of
// ('eval', text) the value of the text. Ends with 0 at None.
constexpr const char* kEcho = R"py(
import sys, pickle, collections, queue, datetime, array
from multiprocessing.connection import Client, Listener
from multiprocessing.managers import Token, RemoteError
role, where = sys.argv[1], sys.argv[2]
if role == 'client':
    conn = Client(where, authkey=b'secret')
else:
    listener = Listener(where, authkey=b'secret')
    print('ready', flush=True)
    conn = listener.accept()
while True:
    got = conn.recv()
    if got is None:
        break
    if type(got) is tuple and got[:1] == ('eval',):
        got = eval(got[1])
    conn.send(got)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        conn.send_bytes(pickle.dumps(got, protocol))
conn.send_bytes(b'')
conn.close()
)py";

Program run(const std::string& python, const char* role, const std::string& where) {
  return Program{{python, "-c", kEcho, role, where}};
}

class CPythonPickle : public testing::TestWithParam<std::string> {
 protected:
  // Protocols 2 and higher say the same of all but what has no value of its own.
  static Value echo(const Connection& connection, const Value& value) {
    connection.send(value);
    Value first = connection.recv<Value>();
    for (int protocol = 0; protocol <= 5; ++protocol) {
      const Value again = pickle::decode(connection.recv_bytes());
      if (protocol >= 2) {
        EXPECT_EQ(again, first) << protocol << again.repr();
      }
    }
    return first;
  }
  static void finish(const Connection& connection) {
    connection.send(Value{});
    EXPECT_EQ(connection.recv_bytes().size(), 0U);
  }
};
INSTANTIATE_TEST_SUITE_P(Pythons, CPythonPickle, testing::ValuesIn(test::pythons()),
                         [](const auto& python) {
                           return "number" + std::to_string(python.index);
                         });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CPythonPickle);

TEST_P(CPythonPickle, EchoesWhatIsSent) {
  const test::ScratchDir folder;
  const std::string where = folder.path() / "socket";
  const Listener listener{unix_socket(where), {.authkey = "secret", .codec = Codec::pickle}};
  Program python = run(GetParam(), "client", where);
  const Connection connection = listener.accept(20s);
  EXPECT_EQ(connection.codec(), Codec::pickle);
  const std::string long_text(70000, 'x');
  Bytes every_byte;
  for (int i = 0; i != 256; ++i) {
    every_byte.push_back(static_cast<std::byte>(i));
  }
  for (const Value& value : {Value{true},
                             Value{255},
                             Value{256},
                             Value{-1},
                             Value{std::int64_t{1} << 40},
                             Value{std::numeric_limits<std::int64_t>::min()},
                             Value{~std::uint64_t{0}},
                             Value{1e300},
                             Value{""},
                             Value{long_text},
                             Value::bytes(every_byte),
                             Value::byte_array(every_byte),
                             Value::list({}),
                             Value::tuple({}),
                             Value::tuple({1, 2, 3, 4}),
                             Value::dict({{"a", 1}}),
                             Value::set({1, 2}),
                             Value::frozen_set({"x"}),
                             Value::global("collections", "OrderedDict"),
                             Value::list(pickle::Items(3000, Value{"item"})),
                             Value::integer(Bytes(300, std::byte{0x5a}))}) {
    EXPECT_EQ(echo(connection, value), value);
  }
  for (const test::GoldenPickle& golden : test::kGoldenPickles) {
    SCOPED_TRACE(golden.python);
    const Value value = echo(connection, Value::tuple({"eval", Value{golden.python}}));
    EXPECT_EQ(value.repr(), golden.repr);
    // What is no plain value comes back as it was sent.
    if (value.kind() != pickle::Kind::none) {
      EXPECT_EQ(echo(connection, value).repr(), golden.repr);
    }
  }
  finish(connection);
  EXPECT_EQ(python.child().wait(), test::exited(0));
}

TEST_P(CPythonPickle, MeetsTypedSendAndRecv) {
  const test::ScratchDir folder;
  const std::string where = folder.path() / "socket";
  Program python = run(GetParam(), "server", where);
  ASSERT_EQ(python.line(), "ready");
  const Connection connection =
      Client(unix_socket(where), {.authkey = "secret", .codec = Codec::pickle});
  const auto skip = [&connection] {
    for (int protocol = 0; protocol <= 5; ++protocol) {
      static_cast<void>(connection.recv_bytes());
    }
  };
  const auto echo = [&](const auto& value) {
    connection.send(value);
    EXPECT_EQ(connection.recv<std::decay_t<decltype(value)>>(), value);
    skip();
  };
  echo(7);
  echo(std::string{"h\xc3\xa9"});
  echo(std::vector<double>{1, 2.5});
  echo(std::map<std::string, std::vector<int>>{{"a", {1}}, {"b", {}}});
  echo(std::set<std::string>{"x", "y"});
  echo(std::tuple{1, std::string{"a"}, std::optional<int>{}});
  echo(Job{1, "ls"});
  echo(std::chrono::microseconds{-1500001});
  echo(std::chrono::sys_time<std::chrono::microseconds>{
      std::chrono::microseconds{1'700'000'000'123'456}});
  connection.send(std::tuple{std::string{"eval"},
                             std::string{"datetime.datetime(2000, 1, 1, 12, tzinfo="
                                         "datetime.timezone(datetime.timedelta(hours=2)))"}});
  EXPECT_EQ(connection.recv<std::chrono::sys_seconds>(),
            std::chrono::sys_days{std::chrono::year{2000} / 1 / 1} + std::chrono::hours{10});
  skip();
  connection.send(7);
  EXPECT_THROW(static_cast<void>(connection.recv<std::string>()), TypeMismatch);
  skip();
  EXPECT_THROW(connection.send(std::bitset<3>{}), UsageError);
  finish(connection);
  EXPECT_EQ(python.child().wait(), test::exited(0));
}

}  // namespace
}  // namespace mp
