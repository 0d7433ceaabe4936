// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "support/leak_sentinel.hpp"
#include "support/watchdog.hpp"

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  // Listeners hear of a test's end in reverse order: the watchdog covers the sentinel's look, too.
  mp::test::install_watchdog();
  mp::test::install_leak_sentinel();
  return RUN_ALL_TESTS();
}
