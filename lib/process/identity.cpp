// SPDX-License-Identifier: Apache-2.0
#include "process/identity.hpp"

#include <mutex>
#include <openssl/rand.h>
#include <utility>

#include "mp/errors/error.hpp"

#include "log/log.hpp"
#include "memory/fork_mutex.hpp"
#include "memory/processes.hpp"
#include "os/proc.hpp"

namespace mp::process {

namespace {

constexpr std::size_t kKeySize = 32;

memory::ForkMutex mutex{20};
int children = 0;  // numbered so far; guarded by mutex

Identity& own() {  // guarded by mutex
  static auto* identity = new Identity{.name = "MainProcess"};
  return *identity;
}

std::string& key() {  // guarded by mutex
  std::string& authkey = own().authkey;
  if (authkey.empty()) {
    authkey.resize(kKeySize);
    if (RAND_bytes(reinterpret_cast<unsigned char*>(authkey.data()), kKeySize) != 1) {
      throw Error{make_error_code(std::errc::io_error), "no random bytes for the key can be had"};
    }
  }
  return authkey;
}

}  // namespace

Identity identity() {
  const std::lock_guard hold{mutex};
  key();
  return own();
}

void set_identity(Identity identity) {
  const std::lock_guard hold{mutex};
  log::set_process_name(identity.name);
  own() = std::move(identity);
  children = 0;
}

void set_name(std::string name) {
  const std::lock_guard hold{mutex};
  log::set_process_name(name);
  own().name = std::move(name);
}

void set_authkey(std::string authkey) {
  const std::lock_guard hold{mutex};
  own().authkey = std::move(authkey);
}

ChildNumber next_child_number() {
  const std::lock_guard hold{mutex};
  ChildNumber number{.path = own().path, .name = "Process-"};
  number.path.push_back(++children);
  for (std::size_t i = 0; i < number.path.size(); ++i) {
    number.name += (i == 0 ? "" : ":") + std::to_string(number.path[i]);
  }
  return number;
}

Identity child_identity(const ChildSpec& spec) {
  ChildNumber number;
  if (spec.path.empty()) {
    number = next_child_number();
  }
  const std::lock_guard hold{mutex};
  return {.name = spec.name.empty() ? number.name : spec.name,
          .parent_pid = os::pid(),
          .parent_name = own().name,
          .daemon = spec.daemon.value_or(own().daemon),
          .path = spec.path.empty() ? std::move(number.path) : spec.path,
          .authkey = spec.authkey ? *spec.authkey : key(),
          .start_method = fixed_start_method(),
          .ignores_interrupt = spec.ignores_interrupt,
          .log_level = static_cast<int>(log::settings().level),
          .log_to_stderr = log::settings().to_stderr};
}

}  // namespace mp::process
