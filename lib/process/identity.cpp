// SPDX-License-Identifier: Apache-2.0
#include "process/identity.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <openssl/rand.h>
#include <utility>

#include "mp/errors/error.hpp"

#include "log/log.hpp"
#include "memory/fork_mutex.hpp"
#include "memory/processes.hpp"
#include "os/proc.hpp"
#include "process/keyring.hpp"

namespace mp::process {

namespace {

constexpr std::size_t kKeySize = 32;

[[gnu::section("mp_at_fork")]] memory::ForkMutex mutex{20};  // of those who write
int children = 0;                                            // numbered so far; guarded by mutex

[[gnu::hot]] std::atomic<const KeptIdentity*>& current() noexcept {
  // Never destroyed: whoever ends last, a finalizer or a thread, may still ask.
  static std::atomic<const KeptIdentity*> kept{new KeptIdentity{{.name = "MainProcess"}, nullptr}};
  return kept;
}

void publish(std::unique_ptr<const KeptIdentity> next) noexcept {
  log::set_process_name(&next->identity.name);
  current().store(next.release(), std::memory_order_release);  // pairs with identity()
}

// Under the mutex.
template <class How>
void change(How&& how) {
  Identity next = identity();
  how(next);
  publish(keep(std::move(next)));
}

// Under the mutex.
const std::string& key() {
  if (identity().authkey.empty()) {
    std::string fresh(kKeySize, '\0');
    if (RAND_bytes(reinterpret_cast<unsigned char*>(fresh.data()), kKeySize) != 1) {
      throw Error{make_error_code(std::errc::io_error), "no random bytes for the key can be had"};
    }
    change([&](Identity& self) { self.authkey = std::move(fresh); });
  }
  return identity().authkey;
}

}  // namespace

const Identity& identity() noexcept {
  return current().load(std::memory_order_acquire)->identity;
}

const std::string& authkey() {
  const std::lock_guard hold{mutex};
  return key();
}

std::unique_ptr<const KeptIdentity> keep(Identity identity) {
  return std::make_unique<const KeptIdentity>(
      KeptIdentity{std::move(identity), current().load(std::memory_order_acquire)});
}

[[gnu::hot]] void set_identity(std::unique_ptr<const KeptIdentity> identity) noexcept {
  const std::lock_guard hold{mutex};
  publish(std::move(identity));
  children = 0;
}

void set_name(std::string name) {
  const std::lock_guard hold{mutex};
  change([&](Identity& self) { self.name = std::move(name); });
}

void set_authkey(std::string authkey) {
  const std::lock_guard hold{mutex};
  change([&](Identity& self) { self.authkey = std::move(authkey); });
}

ChildNumber next_child_number() {
  const std::lock_guard hold{mutex};
  ChildNumber number{.path = identity().path, .name = "Process-"};
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
  Keyring keys = keyring();
  const std::lock_guard hold{mutex};
  return {.name = spec.name.empty() ? number.name : spec.name,
          .parent_pid = os::pid(),
          .parent_name = identity().name,
          .daemon = spec.daemon.value_or(identity().daemon),
          .path = spec.path.empty() ? std::move(number.path) : spec.path,
          .authkey = spec.authkey ? *spec.authkey : key(),
          .keyring = std::move(keys),
          .start_method = fixed_start_method(),
          .ignores_interrupt = spec.ignores_interrupt,
          .log_level = static_cast<int>(log::settings().level),
          .log_to_stderr = log::settings().to_stderr};
}

}  // namespace mp::process
