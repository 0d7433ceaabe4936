// SPDX-License-Identifier: Apache-2.0
// Waiting for the first of several things, and their descriptors.
#include "mp/connection/wait.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "mp/codec.hpp"
#include "mp/connection.hpp"
#include "mp/errors/error.hpp"
#include "mp/process.hpp"
#include "mp/queue.hpp"
#include "mp/sync.hpp"

#include "memory/processes.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/faults.hpp"
#include "support/proc_view.hpp"
#include "support/rendezvous.hpp"
#include "support/start_methods.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;
using testing::ElementsAre;

using Things = std::vector<Waitable>;

bool is_readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1;
}

bool becomes_readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, 20'000) == 1;
}

struct Pipes {
  Connection reader;
  Connection writer;
  Pipes() { std::tie(reader, writer) = Pipe(simplex); }
};

// An ordinary pipe, for a plain descriptor.
struct BarePipe {
  std::array<int, 2> fds{};
  BarePipe() { EXPECT_EQ(::pipe2(fds.data(), O_CLOEXEC), 0); }
  ~BarePipe() {
    ::close(fds[0]);
    ::close(fds[1]);
  }
  void write() const { EXPECT_EQ(::write(fds[1], "x", 1), 1); }
};

// A thread that is asleep in wait() when the test goes on.
class Waiter {
 public:
  explicit Waiter(Things things) {
    thread_ = std::thread{[this, things = std::move(things)] {
      thread_id_ = ::gettid();
      found_ = wait(things, 30s);
    }};
    EXPECT_TRUE(test::eventually([&] { return thread_id_ != 0 && test::is_asleep(thread_id_); }));
  }
  ~Waiter() {
    if (thread_.joinable()) {
      thread_.join();
    }
  }
  const Things& found() {
    thread_.join();
    return found_;
  }

 private:
  std::atomic<pid_t> thread_id_{0};
  Things found_;
  std::thread thread_;
};

TEST(Wait, ReturnsWhatIsReadyInTheOrderGiven) {
  const Pipes a;
  const Pipes b;
  Queue<int> queue;
  Event event;
  const BarePipe bare;
  const Things all = {a.reader, b.reader, queue, event, bare.fds[0]};
  EXPECT_TRUE(wait(all, 0s).empty());
  b.writer.send(1);
  EXPECT_THAT(wait(all, 0s), ElementsAre(Waitable{b.reader}));
  bare.write();
  event.set();
  queue.put(1);
  EXPECT_THAT(wait(all), ElementsAre(Waitable{b.reader}, Waitable{queue}, Waitable{event},
                                     Waitable{bare.fds[0]}));
  EXPECT_EQ(b.reader.recv<int>(), 1);
  EXPECT_EQ(queue.get(), 1);
  event.clear();
  EXPECT_THAT(wait(all), ElementsAre(Waitable{bare.fds[0]}));
  EXPECT_THAT(wait({a.reader, bare.fds[0], bare.fds[0]}),
              ElementsAre(Waitable{bare.fds[0]}, Waitable{bare.fds[0]}));
}

TEST(Wait, TellsThingsApart) {
  const Pipes a;
  const Pipes b;
  Queue<int> queue;
  const Queue<int> other;
  Event event;
  EXPECT_EQ(Waitable{a.reader}, Waitable{Connection{a.reader}});
  EXPECT_NE(Waitable{a.reader}, Waitable{b.reader});
  EXPECT_EQ(Waitable{queue}, Waitable{Queue<int>{queue}});
  EXPECT_NE(Waitable{queue}, Waitable{other});
  EXPECT_EQ(Waitable{event}, Waitable{Event{event}});
  EXPECT_NE(Waitable{event}, Waitable{Event{}});
  EXPECT_NE(Waitable{3}, Waitable{4});
}

TEST(Wait, EndsInTime) {
  const Pipes pipes;
  const BarePipe bare;
  for (const Things& things :
       {Things{pipes.reader}, Things{bare.fds[0]}, Things{pipes.reader, bare.fds[0]}, Things{}}) {
    const auto before = std::chrono::steady_clock::now();
    EXPECT_TRUE(wait(things, 30ms).empty());
    EXPECT_GE(std::chrono::steady_clock::now() - before, 30ms);
    EXPECT_TRUE(wait(things, -1s).empty());
  }
}

TEST(Wait, RefusesWhatCannotBeWaitedFor) {
  const Pipes pipes;
  EXPECT_THROW(static_cast<void>(wait(Things{})), UsageError);
  EXPECT_THROW(static_cast<void>(wait({pipes.writer}, 0s)), UsageError);
  EXPECT_THROW(static_cast<void>(wait({-1}, 0s)), UsageError);
  EXPECT_THROW(static_cast<void>(wait({1'000'000}, 0s)), UsageError);
  EXPECT_THROW(static_cast<void>(wait({Connection{}}, 0s)), ClosedError);
  EXPECT_THROW(static_cast<void>(pipes.writer.fileno()), UsageError);
}

// With and without a descriptor among them, so with and without the bridge.
class WaitWakes : public testing::TestWithParam<bool> {
 protected:
  Things with(Waitable thing) {
    Things things{std::move(thing), idle.reader};
    if (GetParam()) {
      things.emplace_back(bare.fds[0]);
    }
    return things;
  }

  Pipes idle;
  BarePipe bare;
};
INSTANTIATE_TEST_SUITE_P(Ways, WaitWakes, testing::Bool(), [](const auto& bridged) {
  return bridged.param ? "WithADescriptor" : "InMemory";
});

TEST_P(WaitWakes, ForAMessage) {
  const Pipes pipes;
  Waiter waiter{with(pipes.reader)};
  pipes.writer.send(1);
  EXPECT_THAT(waiter.found(), ElementsAre(Waitable{pipes.reader}));
}

TEST_P(WaitWakes, ForAMessageOverASocket) {
  const Listener listener;
  Connection client;
  std::thread other{[&] { client = Client(listener.address()); }};
  EXPECT_THAT(wait(with(listener), 20s), ElementsAre(Waitable{listener}));
  const Connection server = listener.accept();
  other.join();
  Waiter waiter{with(server)};
  client.send(std::string(100'000, 'x'));
  EXPECT_THAT(waiter.found(), ElementsAre(Waitable{server}));
  EXPECT_EQ(server.recv<std::string>().size(), 100'000U);
  client.close();
  EXPECT_THAT(wait(with(server), 20s), ElementsAre(Waitable{server}));
}

TEST_P(WaitWakes, ForTheEndOfFile) {
  Pipes pipes;
  Waiter waiter{with(pipes.reader)};
  pipes.writer.close();
  EXPECT_THAT(waiter.found(), ElementsAre(Waitable{pipes.reader}));
  EXPECT_THROW(static_cast<void>(pipes.reader.recv<int>()), EOFError);
}

TEST_P(WaitWakes, ForTheDeathOfAWriter) {
  Pipes pipes;
  test::Signal ready;
  Child child{[&] {
    pipes.writer.send(1);
    ready.raise();
    ::pause();
  }};
  ready.await();
  pipes.writer.close();
  EXPECT_EQ(pipes.reader.recv<int>(), 1);
  Waiter waiter{with(pipes.reader)};
  child.send_signal(SIGKILL);
  EXPECT_THAT(waiter.found(), ElementsAre(Waitable{pipes.reader}));
  child.wait();
  memory::bury_the_dead();
}

TEST_P(WaitWakes, ForAnItem) {
  Queue<int> queue;
  Waiter waiter{with(queue)};
  Child child{[&] { queue.put(1); }};
  EXPECT_THAT(waiter.found(), ElementsAre(Waitable{queue}));
  EXPECT_EQ(child.wait(), test::exited(0));
  EXPECT_EQ(queue.get(), 1);
  memory::bury_the_dead();
}

TEST_P(WaitWakes, ForTheEndOfAQueue) {
  Queue<int> shut;
  Waiter first{with(shut)};
  shut.shutdown();
  EXPECT_THAT(first.found(), ElementsAre(Waitable{shut}));
  Queue<int> closed;
  Waiter second{with(closed)};
  closed.close();
  EXPECT_THAT(second.found(), ElementsAre(Waitable{closed}));
}

TEST_P(WaitWakes, ForAnEvent) {
  Event event;
  Waiter waiter{with(event)};
  event.set();
  EXPECT_THAT(waiter.found(), ElementsAre(Waitable{event}));
}

TEST_P(WaitWakes, ForACloseInThisProcess) {
  const Pipes pipes;
  Waiter waiter{with(pipes.reader)};
  pipes.reader.close();
  EXPECT_THAT(waiter.found(), ElementsAre(Waitable{pipes.reader}));
}

TEST_P(WaitWakes, ForADescriptor) {
  const BarePipe other;
  Waiter waiter{with(other.fds[0])};
  other.write();
  EXPECT_THAT(waiter.found(), ElementsAre(Waitable{other.fds[0]}));
}

// The one wake-up of a put may reach a waiter who does not get. It must reach the getter as well.
TEST_P(WaitWakes, AndPassesTheWakeUpOn) {
  for (int round = 0; round < 20; ++round) {
    Queue<int> queue;
    Waiter waiter{with(queue)};
    std::atomic<pid_t> getter{0};
    std::chrono::steady_clock::time_point got;
    std::thread thread{[&] {
      getter = ::gettid();
      static_cast<void>(queue.get());
      got = std::chrono::steady_clock::now();
    }};
    ASSERT_EVENTUALLY(getter != 0 && test::is_asleep(getter));
    queue.put(1);
    thread.join();
    queue.put(2);
    EXPECT_THAT(waiter.found(), ElementsAre(Waitable{queue}));
  }
}

TEST_P(WaitWakes, OnEveryKernel) {
  test::Faults faults;
  faults.fail(os::Sys::futex_waitv, ENOSYS);
  const Pipes pipes;
  Waiter waiter{with(pipes.reader)};
  pipes.writer.send(1);
  EXPECT_THAT(waiter.found(), ElementsAre(Waitable{pipes.reader}));
}

TEST(Wait, TakesAnyNumberOfThings) {
  std::vector<Pipes> pipes(200);
  Things things;
  for (const Pipes& each : pipes) {
    things.emplace_back(each.reader);
  }
  EXPECT_TRUE(wait(things, 10ms).empty());
  for (const std::size_t i : {0U, 99U, 199U}) {
    Waiter waiter{things};
    pipes[i].writer.send(1);
    EXPECT_THAT(waiter.found(), ElementsAre(Waitable{pipes[i].reader}));
    EXPECT_EQ(pipes[i].reader.recv<int>(), 1);
  }
}

TEST(Wait, ServesManyWriters) {
  constexpr int kWriters = 4;
  constexpr int kMessages = 500;
  std::vector<Pipes> pipes(kWriters);
  std::vector<Child> children;
  test::Signal begun;
  for (Pipes& each : pipes) {
    children.emplace_back([&each, &begun] {
      each.writer.send(-1);  // now it is a holder of the end
      begun.raise();
      for (int i = 0; i < kMessages; ++i) {
        each.writer.send(i);
      }
    });
  }
  Things open;
  std::vector<int> next(kWriters, 0);
  for (Pipes& each : pipes) {
    begun.await();
    open.emplace_back(each.reader);
  }
  std::vector<int> seen(kWriters, 0);
  for (Pipes& each : pipes) {
    each.writer.close();
  }
  int left = kWriters;
  while (left != 0) {
    const Things ready = wait(open, 20s);
    ASSERT_FALSE(ready.empty());
    for (const Waitable& each : ready) {
      for (int i = 0; i < kWriters; ++i) {
        if (each == pipes[i].reader) {
          try {
            seen[i] += pipes[i].reader.recv<int>() >= 0 ? 1 : 0;
          } catch (const EOFError&) {
            std::erase(open, each);
            --left;
          }
        }
      }
    }
  }
  for (Child& each : children) {
    EXPECT_EQ(each.wait(), test::exited(0));
  }
  EXPECT_THAT(seen, testing::Each(kMessages));
  memory::bury_the_dead();
}

TEST(Fileno, OfAPipeIsReadableWhileThereIsAMessage) {
  const Pipes pipes;
  const int fd = pipes.reader.fileno();
  EXPECT_EQ(pipes.reader.fileno(), fd);
  for (int round = 0; round < 50; ++round) {
    EXPECT_EVENTUALLY(!is_readable(fd));
    pipes.writer.send(1);
    pipes.writer.send(2);
    ASSERT_TRUE(becomes_readable(fd));
    EXPECT_EQ(pipes.reader.recv<int>(), 1);
    ASSERT_TRUE(is_readable(fd));
    EXPECT_EQ(pipes.reader.try_recv<int>(), 2);
    EXPECT_FALSE(pipes.reader.poll());
  }
  pipes.writer.close();
  EXPECT_TRUE(becomes_readable(fd));
  EXPECT_THROW(static_cast<void>(pipes.reader.recv<int>()), EOFError);
  EXPECT_TRUE(is_readable(fd));
}

TEST(Fileno, OfAQueueIsReadableWhileThereIsAnItem) {
  Queue<int> queue;
  const int fd = queue.fileno();
  Child child{[&] {
    for (int i = 0; i < 300; ++i) {
      queue.put(i);
    }
  }};
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  ASSERT_EQ(::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
  for (int next = 0; next < 300;) {
    ASSERT_EQ(::epoll_wait(epoll, &event, 1, 20'000), 1);
    while (auto item = queue.try_get()) {
      ASSERT_EQ(*item, next++);
    }
  }
  EXPECT_EVENTUALLY(!is_readable(fd));
  queue.shutdown();
  EXPECT_TRUE(becomes_readable(fd));
  ::close(epoll);
  EXPECT_EQ(child.wait(), test::exited(0));
  memory::bury_the_dead();
}

TEST(Fileno, OfASocketIsTheSocket) {
  const Listener listener;
  Connection client;
  std::thread other{[&] { client = Client(listener.address()); }};
  EXPECT_TRUE(becomes_readable(listener.fileno()));
  const Connection server = listener.accept();
  other.join();
  EXPECT_FALSE(is_readable(server.fileno()));
  client.send(1);
  EXPECT_TRUE(becomes_readable(server.fileno()));
}

TEST(Fileno, SpeaksOfADeathToo) {
  Pipes pipes;
  const int fd = pipes.reader.fileno();
  test::Signal ready;
  Child child{[&] {
    pipes.writer.send(1);
    ready.raise();
    ::pause();
  }};
  ready.await();
  pipes.writer.close();
  EXPECT_EQ(pipes.reader.recv<int>(), 1);
  EXPECT_EQ(pipes.reader.try_recv<int>(), std::nullopt);
  child.send_signal(SIGKILL);
  EXPECT_TRUE(becomes_readable(fd));
  child.wait();
  memory::bury_the_dead();
}

TEST(Fileno, OfAForkedChildIsItsOwn) {
  const Pipes pipes;
  const int fd = pipes.reader.fileno();
  Child child{[&] {
    const int mine = pipes.reader.fileno();
    EXPECT_NE(mine, fd);
    pipes.writer.send(1);
    EXPECT_TRUE(becomes_readable(mine));
    EXPECT_EQ(pipes.reader.recv<int>(), 1);
    EXPECT_FALSE(pipes.reader.poll());
    EXPECT_TRUE(test::eventually([&] { return !is_readable(mine); }));
  }};
  EXPECT_EQ(child.wait(), test::exited(0));
  memory::bury_the_dead();
  pipes.writer.send(2);
  EXPECT_TRUE(becomes_readable(fd));
}

class WaitProcess : public test::StartMethodTest {};
MP_FOR_ALL_START_METHODS(WaitProcess);

TEST_P(WaitProcess, WaitsForTheFirstToEnd) {
  const Pipes pipes;
  Event end;
  Process patient{ProcessOptions{.start = GetParam()}, [](const Event& e) { e.wait(); }, end};
  patient.start();
  Process quick{ProcessOptions{.start = GetParam()}, [] {}};
  quick.start();
  EXPECT_THAT(wait({pipes.reader, patient, quick.sentinel()}, 20s),
              ElementsAre(Waitable{quick.sentinel()}));
  EXPECT_EQ(Waitable{quick}, Waitable{quick.sentinel()});
  quick.join();
  end.set();
  EXPECT_THAT(wait({pipes.reader, patient}, 20s), ElementsAre(Waitable{patient}));
  patient.join();
}

TEST_P(WaitProcess, WaitsInAChild) {
  Queue<int> queue;
  auto [mine, yours] = Pipe();
  Process child{
      ProcessOptions{.start = GetParam()},
      [](const Connection& end, Queue<int> items) {
        const auto ready = wait({end, items}, 20s);
        end.send(ready.size() == 1 && ready.front() == Waitable{items} ? items.get() : -1);
      },
      yours, queue};
  child.start();
  queue.put(7);
  EXPECT_EQ(mine.recv<int>(), 7);
  child.join();
}

TEST_P(WaitProcess, ServesAClientOfAnyStartMethod) {
  const Listener listener{tcp("127.0.0.1", 0), {.authkey = "secret"}};
  Process child{ProcessOptions{.start = GetParam()},
                [](const Address& address) {
                  const Connection end = Client(address, {.authkey = "secret"});
                  end.send_bytes(std::as_bytes(std::span{"hello", 5}));
                  end.send(std::string{"typed"});
                },
                listener.address()};
  child.start();
  const Connection server = listener.accept(20s);
  EXPECT_EQ(server.recv_bytes().size(), 5U);
  EXPECT_EQ(server.recv<std::string>(), "typed");
  EXPECT_THAT(wait({server}, 20s), ElementsAre(Waitable{server}));
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

}  // namespace
}  // namespace mp
