// SPDX-License-Identifier: Apache-2.0
// pool_test_base.hpp — what the tests of pools under each start method begin with.
#pragma once

#include "mp/pool/options.hpp"

#include "support/start_methods.hpp"

namespace mp::test {

class PoolTestBase : public StartMethodTest {
 protected:
  static PoolOptions options(int processes) {
    PoolOptions chosen;
    chosen.processes = processes;
    chosen.start = GetParam();
    return chosen;
  }
};

}  // namespace mp::test
