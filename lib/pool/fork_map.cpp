// SPDX-License-Identifier: Apache-2.0
// Invariants
//   F1  A child hands its outcome over by the store into its lane's cell; the message's home is
//       that cell. The parent looks there when the child is dead and buried, and only then gives
//       the lane to the next one.
#include "mp/pool/fork_map.hpp"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <string>

#include "mp/base/bytes.hpp"
#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"
#include "mp/process/current.hpp"

#include "memory/home.hpp"
#include "memory/message.hpp"
#include "memory/object.hpp"
#include "os/crash.hpp"
#include "os/limits.hpp"
#include "os/poll.hpp"
#include "os/signal.hpp"
#include "pool/result_access.hpp"
#include "process/child_process.hpp"
#include "process/exit.hpp"

namespace mp::layout {

// What a child leaves to its parent.
struct alignas(64) ForkLane {
  Word64 outcome;  // BlockId of a message
  os::CrashNote crash;
};
struct ForkLanes {
  std::uint64_t count;
  alignas(64) ForkLane lanes[1];
};

}  // namespace mp::layout

namespace mp::detail {

namespace {

using namespace std::chrono_literals;
using layout::ForkLane;
using layout::ForkLanes;

constexpr int kMostAtOnce = 1024;

void destroy(std::byte* object) {
  auto* lanes = reinterpret_cast<ForkLanes*>(object);
  for (std::uint64_t i = 0; i < lanes->count; ++i) {
    memory::free_message(lanes->lanes[i].outcome.load());
  }
}

[[maybe_unused]] const bool registered =
    memory::register_object_type(memory::ObjectType::fork_lanes, {.destroy = destroy});

ObjectRef make_lanes(std::uint64_t count) {
  memory::ObjectBuilder builder{memory::ObjectType::fork_lanes,
                                sizeof(ForkLanes) + (count - 1) * sizeof(ForkLane)};
  reinterpret_cast<ForkLanes*>(builder.data())->count = count;
  return builder.publish();
}

// --- the child -----------------------------------------------------------------------------------

void hand_over(ForkLane& lane, ByteView outcome, const std::vector<memory::BlockId>& objects) {
  memory::Message message{outcome.size(), objects};
  copy_bytes(message.payload().data(), outcome.data(), outcome.size());
  memory::set_home(message.id(), layout::HomeKind::cell, &lane.outcome);
  lane.outcome.store(message.release());  // F1
}

void run_call_in(ForkLane& lane, int number, const std::function<void(int, Writer&)>& call) {
  os::note_crashes_in(&lane.crash);
  const ExceptionOrigin self{
      .process_name = current_process().name(), .pid = current_process().pid(), .stack = {}};
  memory::ObjectCollector objects;
  Writer out{&objects};
  out.write_raw(std::uint8_t{0});
  try {
    call(number, out);
    hand_over(lane, out.written(), objects.objects());
  } catch (...) {
    Writer failure;
    write_failure(failure, std::current_exception(), self);
    hand_over(lane, failure.written(), {});
  }
}

// --- the parent ----------------------------------------------------------------------------------

class ForkMap {
 public:
  ForkMap(int count, std::uint64_t lanes, const std::function<void(int, Writer&)>& call)
      : call_{call},
        object_{make_lanes(lanes)},
        running_(lanes),
        results_(static_cast<std::size_t>(count)) {}

  ~ForkMap() {
    for (Running& one : running_) {
      if (one.child != nullptr) {
        try {
          one.child->signal(os::kSigKill);
          one.child->wait(Deadline::never());
        } catch (const std::exception&) {
          // it is gone
        }
        process::forget_child(*one.child);
      }
    }
  }
  ForkMap(const ForkMap&) = delete;
  ForkMap& operator=(const ForkMap&) = delete;

  std::vector<std::unique_ptr<RawResult>> run() {
    int next = 0;
    const auto count = static_cast<int>(results_.size());
    while (next < count || alive_ != 0) {
      while (next < count && alive_ < running_.size()) {
        if (!start(next)) {
          break;
        }
        ++next;
      }
      wait_for_one();
    }
    return std::move(results_);
  }

 private:
  struct Running {
    std::shared_ptr<process::ChildProcess> child;
    int number = 0;
  };

  [[nodiscard]] ForkLane& lane(std::size_t index) const {
    return reinterpret_cast<ForkLanes*>(object_.data())->lanes[index];
  }

  // Returns false when the system has room for no more than those that run.
  bool start(int number) {
    const auto free = std::ranges::find(running_, nullptr, &Running::child);
    const auto index = static_cast<std::size_t>(free - running_.begin());
    lane(index).crash.signal.store(0);
    process::ChildSpec spec;
    spec.name = "Forked-" + std::to_string(number);
    spec.daemon = true;
    spec.ignores_interrupt = true;
    spec.objects = {object_.id()};
    spec.body = [this, index, number] { run_call_in(lane(index), number, call_); };
    try {
      free->child = process::start_child(StartMethod::fork, std::move(spec));
    } catch (const StartError&) {
      if (alive_ == 0) {
        throw;
      }
      return false;
    }
    free->number = number;
    ++alive_;
    process::remember_child(free->child, true);
    return true;
  }

  void wait_for_one() {
    std::vector<os::PollEntry> entries;
    bool blind = false;
    for (const Running& one : running_) {
      entries.push_back({one.child == nullptr ? -1 : one.child->pidfd(), os::kReadable});
      blind = blind || (one.child != nullptr && one.child->pidfd() < 0);
    }
    // Without pidfds: look now and then.
    os::poll(entries, blind ? Deadline{20ms} : Deadline::never());
    for (std::size_t i = 0; i < running_.size(); ++i) {
      if (running_[i].child != nullptr && (entries[i].ready != 0 || entries[i].fd < 0)) {
        if (const auto status = running_[i].child->wait(Deadline::now())) {
          finish(i, *status);
        }
      }
    }
  }

  void finish(std::size_t index, int status) {
    Running& one = running_[index];
    auto result = std::make_unique<RawResult>();
    const memory::BlockId outcome = lane(index).outcome.exchange(0);
    try {
      if (memory::take_block(outcome)) {
        ResultAccess::set_message(*result, memory::Message::adopt(outcome));
      } else {
        ResultAccess::set_failure(*result, std::make_exception_ptr(death_of(index, status)));
      }
    } catch (const DecodeError&) {
      ResultAccess::set_failure(*result, std::current_exception());
    }
    results_[static_cast<std::size_t>(one.number)] = std::move(result);
    process::forget_child(*one.child);
    one.child = nullptr;
    --alive_;
  }

  [[nodiscard]] WorkerDied death_of(std::size_t index, int status) const {
    DeathReport report = running_[index].child->report();
    report.task = "call " + std::to_string(running_[index].number) + " of a fork_map";
    const os::CrashNote& note = lane(index).crash;
    if (note.signal.load(std::memory_order_acquire) != 0) {
      report.fault_address = note.address;
      report.frames = os::frames_of(note);
    }
    if (status == -os::kSigKill) {
      report.out_of_memory = os::memory_kills() > memory_kills_;
    }
    return {running_[index].child->pid(), status, std::move(report)};
  }

  const std::function<void(int, Writer&)>& call_;
  ObjectRef object_;
  std::vector<Running> running_;
  std::size_t alive_ = 0;
  std::vector<std::unique_ptr<RawResult>> results_;
  std::uint64_t memory_kills_ = os::memory_kills();
};

}  // namespace

std::vector<std::unique_ptr<RawResult>> fork_calls(int count, const ForkMapOptions& options,
                                                   const std::function<void(int, Writer&)>& call) {
  MP_EXPECTS(count >= 0, "fork_map cannot make less than no calls");
  MP_EXPECTS(options.processes >= 0, "fork_map needs at least one process");
  if (count == 0) {
    return {};
  }
  describe_frames = &os::describe_frames;
  const int wanted = options.processes == 0 ? cpu_count() : options.processes;
  ForkMap map{count, static_cast<std::uint64_t>(std::min({wanted, count, kMostAtOnce})), call};
  return map.run();
}

}  // namespace mp::detail
