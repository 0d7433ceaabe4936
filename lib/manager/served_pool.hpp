// SPDX-License-Identifier: Apache-2.0
// manager/served_pool.hpp — pools of workers that are children of a server.
//
//   Call --> ServedPool --> RawPool ==tasks==> workers
//                |             |  (its threads)
//            PoolResult <--post()-- a part is done
//
// A task is bytes, either way: code that a client of the same build has sent, which the server
// never looks into, or NamedTask, the call of a function that is registered.
//
// Threads: for the thread of the server's loop, but for what a worker does.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "mp/codec/codec.hpp"
#include "mp/codec/types/vector.hpp"
#include "mp/manager/item.hpp"
#include "mp/manager/registry.hpp"

#include "manager/pool_work.hpp"
#include "manager/served.hpp"

namespace mp::manager {

using NamedArguments = std::vector<mp::detail::EncodedItem>;

// A function that is registered, on its way to a worker.
struct NamedTask {
  mp::detail::ServedMethod function;

  NamedResult operator()(const NamedArguments& args) const;
};

// Has a pool made, and answers the call. Not in the loop: it takes its time.
void make_pool(Server& server, CallPtr& call);

}  // namespace mp::manager

namespace mp {

template <>
struct codec<manager::NamedTask> {
  static constexpr std::string_view kName = "mp.NamedTask";
  static void write(auto& out, const manager::NamedTask& task) {
    detail::write_code(out, reinterpret_cast<const void*>(task.function.thunk));
    out.write_raw(static_cast<std::uint8_t>(task.function.has_member));
    if (task.function.has_member) {
      detail::write_member_code(out, task.function.target.code);
    }
  }
  static manager::NamedTask read(Reader& in);
};

}  // namespace mp
