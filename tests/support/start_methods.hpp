// SPDX-License-Identifier: Apache-2.0
// support/start_methods.hpp — the same test under every start method.
//
//     class PoolTest : public test::StartMethodTest {};
//     MP_FOR_ALL_START_METHODS(PoolTest);
//     TEST_P(PoolTest, DoesSomething) { mp::Pool pool{{.processes = 2, .start = GetParam()}}; ... }
//
// The forkserver, which otherwise stays for the next child, is ended after each test, so that the
// leak sentinel can be strict.
#pragma once

#include <gtest/gtest.h>
#include <string>

#include "mp/process/start_method.hpp"

#include "process/child_process.hpp"

namespace mp::test {

class StartMethodTest : public testing::TestWithParam<StartMethod> {
 protected:
  void TearDown() override { process::Zygote::end_forkserver(); }
};

}  // namespace mp::test

#define MP_FOR_ALL_START_METHODS(Fixture)                                                          \
  INSTANTIATE_TEST_SUITE_P(                                                                        \
      AllStartMethods, Fixture,                                                                    \
      testing::Values(mp::StartMethod::fork, mp::StartMethod::forkserver, mp::StartMethod::spawn), \
      [](const auto& method) { return std::string{mp::to_string(method.param)}; })
