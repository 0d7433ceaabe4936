// SPDX-License-Identifier: Apache-2.0
#include "mp/manager/pool_proxy.hpp"

#include "os/image.hpp"

namespace mp {

namespace detail {

std::array<std::uint64_t, 2> program_build() {
  const os::BuildId& build = os::main_module().build();
  return {build.high, build.low};
}

}  // namespace detail

PoolProxy::PoolProxy(RawProxy raw) : raw_{std::move(raw)} {
  detail::expect_object(raw_, "Pool", {});
}

void PoolProxy::close() const {
  raw_.call("close");
}

void PoolProxy::terminate() const {
  raw_.call("terminate");
}

bool PoolProxy::join(Deadline until) const {
  return raw_.call<bool>("join", detail::to_wire(until));
}

int PoolProxy::processes() const {
  return static_cast<int>(raw_.call<std::uint64_t>("processes"));
}

}  // namespace mp
