// SPDX-License-Identifier: Apache-2.0
#include "mp/process/start_method.hpp"

#include <array>
#include <mutex>
#include <string>

#include "mp/errors/error.hpp"

#include "memory/fork_mutex.hpp"
#include "os/proc.hpp"

namespace mp {

namespace {

constexpr std::array kNames{std::string_view{"fork"}, std::string_view{"forkserver"},
                            std::string_view{"spawn"}};

[[gnu::section("mp_at_fork")]] memory::ForkMutex mutex{25};
std::optional<StartMethod> fixed;  // guarded by mutex

StartMethod initial_method() {
  const auto text = os::trusted_env("MP_START_METHOD");
  if (!text || text->empty()) {
    return StartMethod::fork;
  }
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (*text == kNames[i]) {
      return static_cast<StartMethod>(i);
    }
  }
  throw UsageError{"MP_START_METHOD is \"" + *text +
                   "\", which is none of fork, forkserver and spawn"};
}

}  // namespace

std::string_view to_string(StartMethod method) noexcept {
  const auto index = static_cast<std::size_t>(method);
  return index < kNames.size() ? kNames[index] : "unknown";
}

[[gnu::hot]] void set_start_method(StartMethod method, bool force) {
  if (static_cast<std::size_t>(method) >= kNames.size()) {
    throw UsageError{"there is no such start method"};
  }
  const std::lock_guard hold{mutex};
  if (fixed && !force) {
    throw UsageError{"the start method has already been set"};
  }
  fixed = method;
}

StartMethod get_start_method() {
  const std::lock_guard hold{mutex};
  if (!fixed) {
    fixed = initial_method();
  }
  return *fixed;
}

std::optional<StartMethod> fixed_start_method() noexcept {
  const std::lock_guard hold{mutex};
  return fixed;
}

std::vector<StartMethod> get_all_start_methods() {
  std::vector<StartMethod> methods{initial_method()};
  for (const StartMethod method :
       {StartMethod::fork, StartMethod::forkserver, StartMethod::spawn}) {
    if (method != methods.front()) {
      methods.push_back(method);
    }
  }
  return methods;
}

}  // namespace mp
