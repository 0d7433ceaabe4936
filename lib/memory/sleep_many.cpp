// SPDX-License-Identifier: Apache-2.0
#include "memory/sleep_many.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "mp/base/contract.hpp"

#include "memory/arena.hpp"
#include "memory/gate.hpp"
#include "memory/threads.hpp"

namespace mp::memory {

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kLongest = 1000ms;

}  // namespace

void sleep_many(std::span<const SleepPlace> places, Deadline until, Backoff& backoff) noexcept {
  MP_ENSURES(places.size() <= kMostPlaces, "too many places to sleep on");
  if (until.passed()) {
    return;
  }
  layout::ArenaHeader& shared = Arena::get().header();
  const std::uint32_t deaths = shared.deaths.load();
  std::array<os::FutexWait, os::kMaxFutexWaits> waits;  // NOLINT: the used part is written below
  std::size_t count = 0;
  bool unwatched = false;
  for (const SleepPlace& place : places) {
    waits[count++] = {place.word, place.expected};
    unwatched = unwatched || (place.watches && place.owner == 0);
  }
  const std::size_t words = count;
  waits[count++] = {&shared.gate, 0};
  for (const SleepPlace& place : places) {
    if (place.owner != 0) {
      const LeaseView lease = lease_of(place.owner);
      if (lease.word == nullptr) {
        return;  // it is gone: look again
      }
      waits[count++] = {lease.word, lease.alive};
    }
  }
  const std::chrono::milliseconds slice =
      unwatched ? std::exchange(backoff.slice, std::min(backoff.slice * 2, kLongest)) : kLongest;
  std::size_t which = os::kUnknownWord;
  const os::Wait how =
      os::futex_wait_any({waits.data(), count}, until.no_later_than(slice), &which);
  for (const SleepPlace& place : places) {
    if (place.owner != 0 && thread_gone(place.owner)) {
      backoff.slice = 1ms;
      if (const LeaseView lease = lease_of(place.owner); lease.word != nullptr) {
        os::futex_wake(*lease.word, os::kEverybody);
      }
    }
  }
  // As in gate.cpp: what was no wake-up of a word of ours was one for the whole tree.
  const bool ours =
      which == os::kUnknownWord
          ? std::any_of(waits.begin(), waits.begin() + words,
                        [](const os::FutexWait& wait) {
                          return wait.word->load(std::memory_order_acquire) != wait.expected;
                        })
          : which < words;
  if (how == os::Wait::woken && !ours) {
    wake_others_of_the_tree(deaths);
  }
}

}  // namespace mp::memory
