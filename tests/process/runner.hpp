// SPDX-License-Identifier: Apache-2.0
// process/runner.hpp — runs an encoded call here, in a forked child, or in this program executed
// anew, which is caught before main and has its code at other addresses.
#pragma once

#include <gtest/gtest.h>
#include <iostream>
#include <optional>
#include <string>
#include <utility>

#include "mp/codec.hpp"
#include "mp/process/raw_call.hpp"

#include "os/proc.hpp"
#include "os/socket.hpp"
#include "process/bootstrap.hpp"
#include "process/reexecuted.hpp"
#include "support/child.hpp"

namespace mp::test {

enum class Where { here, forked, spawned };

inline std::ostream& operator<<(std::ostream& out, Where where) {
  return out << (where == Where::here ? "here" : where == Where::forked ? "forked" : "spawned");
}

inline Bytes run_bytes(Where where, ByteView call) {
  switch (where) {
    case Where::here: {
      Reader in{call};
      Writer out;
      run_call(in, out, {.process_name = "here", .pid = os::pid(), .stack = {}});
      return out.take();
    }
    case Where::forked: {
      auto [mine, theirs] = os::socket_pair(os::SocketKind::stream);
      Child child{[&] {
        mine.reset();
        return process::child_main(std::move(theirs));
      }};
      theirs.reset();
      process::send_hello(mine.get());
      process::send_frame(mine.get(), call);
      std::optional<Bytes> outcome = process::receive_frame(mine.get());
      mine.reset();
      EXPECT_EQ(child.wait(), exited(0));
      return outcome.value_or(Bytes{});
    }
    case Where::spawned: {
      Reexecuted child;
      std::optional<Bytes> outcome = child.run(call);
      EXPECT_EQ(child.end(), 0);
      return outcome.value_or(Bytes{});
    }
  }
  return {};
}

// Runs `call` and returns its result, or throws what it threw.
template <class R>
R run(Where where, const RawCall& call) {
  const Bytes outcome = run_bytes(where, call.bytes());
  Reader in{outcome};
  return read_outcome<R>(in);
}

}  // namespace mp::test
