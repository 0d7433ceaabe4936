// SPDX-License-Identifier: Apache-2.0
// Design. A bridge is a thread and up to kMostEntries entries; there are as many bridges as needed.
// An entry is armed (the bridge sleeps for it) or raised (its descriptor is readable, and the
// bridge cares no more). lower() arms it again.
//
// Invariants
//  B1 The list of entries is guarded by `mutex`, under which no source is touched: a source may be
//     destroyed by the bridge when it holds the last reference, and its destructor takes locks.
//  B2 Whoever adds or arms an entry bumps the bridge's word after it, and the bridge reads the word
//     before it looks at the entries, so it looks again before it sleeps.
//  B3 An armed entry is looked at after it was announced (WaitSource::prepare), so what becomes
//     ready later wakes the bridge.
#include "memory/feed.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <utility>

#include "mp/memory/object_ref.hpp"

#include "memory/fork_mutex.hpp"
#include "memory/gate.hpp"
#include "memory/sleep_many.hpp"
#include "os/futex.hpp"
#include "os/parent_death.hpp"
#include "os/poll.hpp"
#include "os/signal.hpp"

namespace mp::memory {

namespace {

using mp::detail::fork_generation;
using mp::detail::WaitSource;

constexpr std::size_t kMostEntries = kMostPlaces - 1;  // one place is the bridge's own word

struct Bridge {
  std::vector<std::shared_ptr<FeedEntry>> entries;
  layout::Word changes{0};
  bool running = false;
  std::uint32_t generation = fork_generation;
};

[[gnu::section("mp_at_fork")]] ForkMutex mutex{55};

// Guarded by the mutex; never destroyed, for the threads may outlast main.
std::vector<std::shared_ptr<Bridge>>& bridges() {
  static auto* all = new std::vector<std::shared_ptr<Bridge>>;
  return *all;
}

}  // namespace

struct FeedEntry {
  std::weak_ptr<WaitSource> source;
  std::shared_ptr<os::Fd> event;
  std::atomic<bool> raised{false};
  std::shared_ptr<Bridge> bridge;
};

namespace {

void kick(Bridge& bridge) noexcept {
  bridge.changes.fetch_add(1);
  os::futex_wake(bridge.changes, 1);
}

// Looks at all armed entries, raises the ready ones, and returns where to sleep for the others.
std::vector<SleepPlace> look_around(const std::vector<std::shared_ptr<FeedEntry>>& entries) {
  std::vector<SleepPlace> places;
  for (const std::shared_ptr<FeedEntry>& entry : entries) {
    if (entry->raised.load()) {
      continue;
    }
    const std::shared_ptr<WaitSource> source = entry->source.lock();
    if (source == nullptr) {
      continue;
    }
    bool ready = true;
    SleepPlace place;
    try {
      place = source->prepare();
      ready = source->ready();
    } catch (const std::exception&) {
      // Whoever uses it is told.
    }
    if (ready) {
      entry->raised.store(true);
      os::eventfd_signal(entry->event->get());
      source->pass_on();
    } else {
      places.push_back(place);
    }
  }
  return places;
}

void run(const std::shared_ptr<Bridge>& bridge) {
  Backoff backoff;
  for (;;) {
    std::vector<std::shared_ptr<FeedEntry>> entries;
    const std::uint32_t key = bridge->changes.load();
    {
      const std::lock_guard hold{mutex};
      if (bridge->entries.empty()) {
        bridge->running = false;
        return;
      }
      entries = bridge->entries;
    }
    std::vector<SleepPlace> places = look_around(entries);
    entries.clear();
    places.push_back({.word = &bridge->changes, .expected = key});
    sleep_many(places, Deadline::never(), backoff);
  }
}

// Starts the bridge's thread if there is none. Expects: the mutex is held.
void start(const std::shared_ptr<Bridge>& bridge) {
  if (!bridge->running) {
    const os::SignalBlock block;  // signals are for the user's threads
    const os::InternalThreads starting{1};
    try {
      std::thread{[bridge] {
        run(bridge);
        os::internal_thread_ends();
      }}.detach();
    } catch (...) {
      os::internal_thread_ends();
      throw;
    }
    bridge->running = true;
  }
}

// A bridge of this process with room for one more. Expects: the mutex is held.
std::shared_ptr<Bridge> bridge_with_room() {
  std::erase_if(bridges(), [](const auto& each) { return each->generation != fork_generation; });
  for (const std::shared_ptr<Bridge>& each : bridges()) {
    if (each->entries.size() < kMostEntries) {
      return each;
    }
  }
  return bridges().emplace_back(std::make_shared<Bridge>());
}

}  // namespace

Feed::Feed(std::span<const std::shared_ptr<WaitSource>> sources)
    : event_{std::make_shared<os::Fd>(os::eventfd())}, generation_{fork_generation} {
  entries_.reserve(sources.size());
  const std::lock_guard hold{mutex};
  try {
    for (const std::shared_ptr<WaitSource>& source : sources) {
      auto entry = std::make_shared<FeedEntry>();
      entry->source = source;
      entry->event = event_;
      entry->bridge = bridge_with_room();
      entry->bridge->entries.push_back(entry);
      entries_.push_back(entry);
      start(entry->bridge);
    }
  } catch (...) {
    leave();
    throw;
  }
  for (const auto& entry : entries_) {
    kick(*entry->bridge);
  }
}

Feed::~Feed() {
  if (!is_ours()) {
    return;  // the bridges of the parent are not here
  }
  const std::lock_guard hold{mutex};
  leave();
}

// Expects: the mutex is held.
void Feed::leave() noexcept {
  for (const auto& entry : entries_) {
    std::erase(entry->bridge->entries, entry);
    kick(*entry->bridge);
  }
}

bool Feed::is_ours() const noexcept {
  return generation_ == fork_generation;
}

int Feed::fileno() const noexcept {
  return event_->get();
}

void Feed::lower() noexcept {
  if (!is_ours() || std::none_of(entries_.begin(), entries_.end(),
                                 [](const auto& entry) { return entry->raised.load(); })) {
    return;
  }
  for (const auto& entry : entries_) {
    try {
      const std::shared_ptr<WaitSource> source = entry->source.lock();
      if (source == nullptr || source->ready()) {
        return;
      }
    } catch (const std::exception&) {
      return;
    }
  }
  os::eventfd_drain(event_->get());
  for (const auto& entry : entries_) {
    entry->raised.store(false);
    kick(*entry->bridge);
  }
}

}  // namespace mp::memory
