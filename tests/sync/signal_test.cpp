// SPDX-License-Identifier: Apache-2.0
// Event::set and Semaphore::release in a signal handler, whatever the thread was doing.
#include <atomic>
#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <mutex>

#include <sys/time.h>

#include "mp/connection.hpp"
#include "mp/queue.hpp"
#include "mp/sync.hpp"

#include "support/child.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;
using test::exited;

// What the handler uses; set before it is installed.
Event* the_event = nullptr;
Semaphore* the_signals = nullptr;
std::atomic<int> raised{0};

void on_alarm(int) {
  the_event->set();
  the_signals->release();
  raised.fetch_add(1);
}

// While it lives, signals come every 200 us or as fast as they are handled.
class Alarms {
 public:
  Alarms() {
    struct sigaction action {};
    action.sa_handler = on_alarm;
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGALRM, &action, &before_);
    set(200);
  }
  Alarms(const Alarms&) = delete;
  Alarms& operator=(const Alarms&) = delete;
  ~Alarms() {
    set(0);
    ::sigaction(SIGALRM, &before_, nullptr);
  }

 private:
  static void set(suseconds_t every) {
    const itimerval timer{.it_interval = {0, every}, .it_value = {0, every}};
    ::setitimer(ITIMER_REAL, &timer, nullptr);
  }

  struct sigaction before_ {};
};

TEST(Signal, HandlersMaySetEventsAndReleaseSemaphores) {
  constexpr int kEnough = 3000;
  Event event;
  Semaphore signals{0};
  Event done;
  Lock contended;
  the_event = &event;
  the_signals = &signals;

  // Sleeps on what the handler releases, so that it must wake somebody.
  Child consumer{[&] {
    int got = 0;
    while (signals.acquire(done.is_set() ? Deadline::now() : Deadline{20ms}) || !done.is_set()) {
      ++got;
    }
    return got == 0 ? 1 : 0;
  }};
  Child rival{[&] {
    while (!done.is_set()) {
      const std::lock_guard hold{contended};
    }
  }};
  Child busy{[&] {
    Lock lock;
    RLock rlock;
    Condition condition;
    BoundedSemaphore permits{2};
    Semaphore slots{0};
    Barrier meet{1};
    Queue<int> queue;
    auto [left, right] = Pipe();
    signals.release();  // both handles, and this thread, have been used before the first signal
    static_cast<void>(signals.acquire(Deadline::now()));  // unless the consumer was quicker
    event.set();
    const Alarms alarms;
    while (raised.load() < kEnough) {
      event.clear();
      static_cast<void>(event.wait(50us));
      {
        const std::scoped_lock hold{lock, contended, rlock, permits};
        rlock.lock();
        rlock.unlock();
      }
      static_cast<void>(slots.acquire(20us));
      slots.release();
      slots.acquire();
      signals.release();  // the very same semaphore and event
      static_cast<void>(signals.acquire(1s));
      event.set();
      condition.acquire();
      static_cast<void>(condition.wait(20us));
      condition.notify_all();
      condition.release();
      meet.wait();
      queue.put(1);
      EXPECT_EQ(queue.get(), 1);
      left.send(2);
      EXPECT_EQ(right.recv<int>(), 2);
      const Lock fresh;  // the allocator, and this process's table of objects
    }
  }};
  EXPECT_EQ(busy.wait(), exited(0));
  done.set();
  EXPECT_EQ(consumer.wait(), exited(0));
  EXPECT_EQ(rival.wait(), exited(0));
  EXPECT_TRUE(event.is_set());
  EXPECT_EQ(signals.get_value(), 0);
}

TEST(Signal, LoseNoPermit) {
  Event event;
  Semaphore signals{0};
  the_event = &event;
  the_signals = &signals;
  Child busy{[&] {
    signals.release();
    signals.acquire();
    event.set();
    int got = 0;
    {
      const Alarms alarms;
      while (raised.load() < 2000) {
        got += signals.acquire(100us) ? 1 : 0;
        event.clear();
      }
    }
    while (signals.acquire(0s)) {
      ++got;
    }
    EXPECT_EQ(got, raised.load());
  }};
  EXPECT_EQ(busy.wait(), exited(0));
}

}  // namespace
}  // namespace mp
