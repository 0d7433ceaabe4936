// SPDX-License-Identifier: Apache-2.0
// Invariants
//   W1  A slot that is running(w) is being worked on by w, or w is dead and the parent has not yet
//       looked. Only w makes it done, only the parent condemned, and a worker whose slot was
//       condemned claims no other.
//   W2  A result block is referenced by the slot's `result` cell before the slot is done; a block
//       whose worker was killed in between is freed by the parent with the slot.
//   W3  Everything after the store of done is a hint.
#include "pool/worker.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

#include "mp/base/bytes.hpp"
#include "mp/codec/exception.hpp"
#include "mp/errors/error.hpp"
#include "mp/log.hpp"
#include "mp/process/current.hpp"
#include "mp/process/raw_call.hpp"

#include "memory/gate.hpp"
#include "memory/home.hpp"
#include "memory/message.hpp"
#include "memory/spinner.hpp"
#include "os/clock.hpp"
#include "os/crash.hpp"
#include "os/limits.hpp"
#include "os/proc.hpp"
#include "pool/board.hpp"
#include "pool/current_task.hpp"
#include "pool/slow_tasks.hpp"
#include "pool/spared_items.hpp"
#include "pool/worker_states.hpp"

namespace mp::pool {

namespace {

using layout::Leave;
using layout::Role;
using layout::SlotPhase;
using layout::TaskSlot;
using layout::WorkerPhase;

class Worker {
 public:
  Worker(std::uint64_t board, std::uint32_t index)
      : board_{Board::open(board)}, me_{index}, entry_{board_.worker(index)} {
    self_.process_name = current_process().name();
    self_.pid = current_process().pid();
    entry_.times.entered.store(now(), std::memory_order_relaxed);
  }

  [[nodiscard]] layout::WorkerEntry& entry() noexcept { return entry_; }

  void work() {
    stay_on_cpu();
    if (!initialize()) {
      return;
    }
    entry_.times.ready.store(now(), std::memory_order_relaxed);
    entry_.phase.store(static_cast<std::uint32_t>(WorkerPhase::working));
    if (stand_by()) {
      entry_.times.wake(now());
      stay_on_cpu();
      if (!run_tasks()) {
        return;  // condemned
      }
    }
    entry_.times.left.store(now(), std::memory_order_relaxed);
    say_farewell();
    entry_.phase.store(static_cast<std::uint32_t>(WorkerPhase::retired));
  }

 private:
  static constexpr std::uint32_t kNone = ~0u;

  static std::uint64_t now() noexcept { return static_cast<std::uint64_t>(os::monotonic_ns()); }

  // Returns whether it may end in order.
  bool run_tasks() {
    const std::uint32_t limit = board_.header().tasks_limit;
    for (std::uint32_t finished = 0; limit == 0 || finished < limit; ++finished) {
      const std::uint32_t index = next();
      if (index == kNone) {
        // What it was woken for is somebody else's now.
        memory::gate_wake(board_.header().work, 1);
        if (static_cast<Leave>(entry_.leave.load()) == Leave::replaced) {
          hand_over();
        }
        return true;
      }
      if (!run(index)) {
        return false;
      }
    }
    hand_over();
    return true;
  }

  void stay_on_cpu() {
    const std::uint32_t role = entry_.role.load();
    if (layout::role_of(role) == Role::active && layout::cpu_plus_1_of(role) != 0) {
      const int cpu = static_cast<int>(layout::cpu_plus_1_of(role)) - 1;
      try {
        os::set_affinity(std::span{&cpu, 1});
      } catch (const OsError& error) {
        get_logger().warning(std::string{"a worker cannot be pinned: "} + error.what());
      }
    }
  }

  // Waits while this is a standby. Returns false when it will never be anything else.
  bool stand_by() {
    for (;;) {
      const std::uint32_t key = memory::gate_prepare(entry_.stop);
      if (layout::role_of(entry_.role.load()) != Role::standby) {
        return true;
      }
      if (board_.header().closing.load() != 0 || entry_.leave.load() != 0) {
        return false;
      }
      memory::gate_sleep(entry_.stop, key, Deadline::never());
    }
  }

  // Lets a standby go on in its place, on its CPU. One CAS: who is killed before it is replaced by
  // the parent, who finds too few active workers; behind it the parent finds enough.
  void hand_over() {
    const std::uint32_t mine = entry_.role.load();
    if (layout::role_of(mine) != Role::active) {
      return;
    }
    for (std::uint32_t i = 0; i < board_.worker_count(); ++i) {
      layout::WorkerEntry& other = board_.worker(i);
      std::uint32_t role = layout::worker_role(Role::standby, 0);
      const memory::ArmedWake armed;
      if (other.role.load() == role && other.role.compare_exchange_strong(role, mine)) {
        memory::gate_wake(other.stop, memory::kAll);
        entry_.role.store(layout::worker_role(Role::none, 0));
        return;
      }
    }
  }

  // The last call, and the end of what the tasks have left in this process.
  void say_farewell() {
    if (board_.header().closing.load() == 2) {
      return;  // terminated: this is no end in order
    }
    if (const memory::BlockId call = board_.header().last_call.load()) {
      out_.rewind(0);
      out_.set_depth(0);
      run_message(call, out_);
      const ByteView outcome = out_.written();
      try {
        memory::Message message{outcome.size(), results_.objects()};
        copy_bytes(message.payload().data(), outcome.data(), outcome.size());
        memory::set_home(message.id(), layout::HomeKind::cell, &entry_.farewell);
        entry_.farewell.store(message.release());  // the commit
      } catch (const std::bad_alloc&) {
        get_logger().error("what a worker returned at its end finds no memory");
      }
      results_.clear();
    }
    end_worker_states();
  }

  bool initialize() {
    const memory::BlockId call = board_.header().initializer.load();
    if (call == 0) {
      return true;
    }
    if (run_message(call, out_)) {
      return true;
    }
    const ByteView outcome = out_.written();
    memory::Message failure{outcome.size()};
    copy_bytes(failure.payload().data(), outcome.data(), outcome.size());
    memory::set_home(failure.id(), layout::HomeKind::cell, &entry_.failure);
    entry_.failure.store(failure.release());
    entry_.phase.store(static_cast<std::uint32_t>(WorkerPhase::init_failed));
    return false;
  }

  // Claims the next posted slot; sleeps while there is none. kNone when the board closes.
  std::uint32_t next() {
    layout::BoardHeader& header = board_.header();
    for (bool has_looked = false;; has_looked = true) {
      if (entry_.leave.load(std::memory_order_relaxed) != 0) {
        return kNone;
      }
      if (const std::uint32_t index = claim(); index != kNone) {
        if (has_looked && there_is_more()) {
          memory::gate_wake(header.work, 1);  // whoever posted it may have counted on this worker
        }
        return index;
      }
      if (leaving()) {
        return kNone;
      }
      if (header.quiet_until.load() != 0) {
        memory::gate_wake(header.results, memory::kAll);
      }
      const auto something = [&] {
        return there_is_more() || header.closing.load(std::memory_order_relaxed) != 0 ||
               entry_.leave.load(std::memory_order_relaxed) != 0;
      };
      const int poster = static_cast<int>(header.work.cpu.load(std::memory_order_relaxed)) - 1;
      memory::Waiting waiting{spinner_};
      if (look(waiting, something, poster)) {
        continue;
      }
      const std::uint32_t key = memory::gate_prepare(header.work);
      if (!something()) {
        memory::gate_sleep(header.work, key, Deadline::never());
      }
    }
  }

  [[nodiscard]] bool there_is_more() const noexcept {
    const layout::BoardHeader& header = board_.header();
    return header.head.load(std::memory_order_relaxed) !=
           header.tail.load(std::memory_order_relaxed);
  }

  // Spins, and says so on the board meanwhile.
  template <class Something>
  bool look(memory::Waiting& waiting, const Something& something, int poster) {
    layout::Word64& looking = board_.header().looking[me_ / 64];
    looking.fetch_or(layout::BoardHeader::bit_of(me_));
    const bool found = waiting.spin(something, poster);
    // Before anything is claimed: who posts behind this wakes somebody.
    looking.fetch_and(~layout::BoardHeader::bit_of(me_));
    return found;
  }

  [[nodiscard]] bool leaving() const {
    const std::uint32_t closing = board_.header().closing.load();
    return closing == 2 ||
           (closing == 1 && board_.header().head.load() == board_.header().tail.load());
  }

  std::uint32_t claim() {
    layout::BoardHeader& header = board_.header();
    if (header.closing.load(std::memory_order_relaxed) == 2) {
      return kNone;
    }
    for (;;) {
      std::uint64_t head = header.head.load(std::memory_order_acquire);
      const std::uint64_t entry = board_.order(head).load(std::memory_order_acquire);
      if (head == header.tail.load(std::memory_order_acquire)) {
        return kNone;
      }
      const auto index = static_cast<std::uint32_t>(entry);
      std::uint32_t claimed = kNone;
      if (entry == order_entry(head, index) && index < board_.slot_count()) {
        TaskSlot& slot = board_.slot(index);
        std::uint64_t state = slot.state.load(std::memory_order_acquire);
        if (layout::slot_phase(state) == SlotPhase::posted &&
            slot.position.load(std::memory_order_relaxed) == head &&
            slot.state.compare_exchange_strong(
                state, layout::slot_state(SlotPhase::running, me_, layout::slot_sequence(state)))) {
          claimed = index;
        }
      } else if (header.head.load() == head) {
        return kNone;  // posted, and not yet visible here
      }
      // Help the head past a slot that is taken, whoever took it.
      header.head.compare_exchange_strong(head, head + 1);
      if (claimed != kNone) {
        return claimed;
      }
    }
  }

  // Runs the call in a message of the parent's. Returns whether it succeeded.
  bool run_message(memory::BlockId id, Writer& out, TaskSlot* slot = nullptr) {
    try {
      const ByteView payload = memory::message_payload(id);
      memory::MessageCarrier carrier{id};
      Reader in{payload, &carrier};
      return run_in_frame(in, out, slot);
    } catch (const std::exception&) {
      write_failure(out, std::current_exception(), self_);
      return false;
    }
  }

  bool run_in_frame(Reader& in, Writer& out, TaskSlot* slot) {
    callable_ = nullptr;
    CallFrame frame{in, out, self_, &callable_};
    std::vector<KnownOutcome> known;
    if (slot != nullptr) {
      frame.item_slot = &slot->item;
      if (const memory::BlockId spared = slot->spared.load(std::memory_order_relaxed)) {
        known = read_spared(memory::message_payload(spared));
        frame.known = known;
      }
    }
    return run_call(frame);
  }

  // Returns whether the worker may go on.
  bool run(std::uint32_t index) {
    TaskSlot& slot = board_.slot(index);
    const std::int64_t begin = os::monotonic_ns();
    slot.begun.store(static_cast<std::uint64_t>(begin), std::memory_order_relaxed);
    entry_.running.store(index + 1, std::memory_order_relaxed);
    out_.rewind(0);
    out_.set_depth(0);
    task_begins(slot, entry_);
    const StreamAtWork stream{slot.stream.load(std::memory_order_relaxed), slot.item};
    if (const memory::BlockId task = slot.task.load(std::memory_order_relaxed)) {
      run_message(task, out_, &slot);
    } else {
      const std::size_t size =
          std::min<std::size_t>(slot.size.load(std::memory_order_relaxed), TaskSlot::kInline);
      Reader in{ByteView{slot.bytes, size}};
      run_in_frame(in, out_, &slot);
    }
    task_ends();
    const std::uint64_t lasted = now() - static_cast<std::uint64_t>(begin);
    slow_tasks_.note(lasted, callable_, slot);
    hand_in(slot);
    results_.clear();
    entry_.running.store(0, std::memory_order_relaxed);
    entry_.busy_ns.fetch_add(lasted, std::memory_order_relaxed);
    entry_.tasks.fetch_add(1, std::memory_order_relaxed);
    return report(index, slot);
  }

  // Writes the outcome into the slot.
  void hand_in(TaskSlot& slot) {
    ByteView outcome = out_.written();
    if (outcome.size() > TaskSlot::kInline || !results_.objects().empty()) {
      try {
        memory::Message message{outcome.size(), results_.objects()};
        copy_bytes(message.payload().data(), outcome.data(), outcome.size());
        memory::set_home(message.id(), layout::HomeKind::cell, &slot.result);
        slot.result.store(message.release());  // W2
        slot.size.store(0, std::memory_order_relaxed);
        outcome = {};
      } catch (const std::bad_alloc&) {
        // Its failure is short enough for the slot, whatever the process is called.
        out_.rewind(0);
        write_failure(out_, std::make_exception_ptr(OutOfMemory{"the result finds no memory"}), {});
        outcome = out_.written();
      }
    }
    if (!outcome.empty()) {
      copy_bytes(slot.bytes, outcome.data(), outcome.size());
      slot.size.store(static_cast<std::uint32_t>(outcome.size()), std::memory_order_relaxed);
    }
  }

  // Commits the outcome. Returns false when the slot is condemned: then nothing may be begun.
  bool report(std::uint32_t index, TaskSlot& slot) {
    layout::BoardHeader& header = board_.header();
    std::uint64_t state = slot.state.load(std::memory_order_relaxed);
    const std::uint32_t sequence = layout::slot_sequence(state);
    const memory::ArmedWake armed;
    state = layout::slot_state(SlotPhase::running, me_, sequence);
    // The commit. Release: the parent that sees done sees the outcome.
    if (!slot.state.compare_exchange_strong(state,
                                            layout::slot_state(SlotPhase::done, me_, sequence))) {
      return false;
    }
    const std::uint64_t tail = entry_.done_tail.load(std::memory_order_relaxed);
    board_.done(me_, tail).store(std::uint64_t{sequence} << 32 | index, std::memory_order_release);
    entry_.done_tail.store(tail + 1);
    layout::Word64& finished = header.finished[me_ / 64];
    const std::uint64_t bit = layout::BoardHeader::bit_of(me_);
    if ((finished.load() & bit) == 0) {
      finished.fetch_or(bit);
    }
    header.results.cpu.store(static_cast<std::uint32_t>(os::current_cpu() + 1),
                             std::memory_order_relaxed);
    // The outcome before the look at what the parent waits for.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (header.head.load(std::memory_order_relaxed) >=
        header.quiet_until.load(std::memory_order_relaxed)) {
      memory::gate_wake(header.results, memory::kAll);
    }
    return true;
  }

  Board board_;
  std::uint32_t me_;
  layout::WorkerEntry& entry_;
  ExceptionOrigin self_;
  SlowTasks slow_tasks_{entry_};
  const std::type_info* callable_ = nullptr;  // of the task at hand
  memory::Spinner spinner_;
  memory::ObjectCollector results_;  // the shared objects in the outcome at hand
  Writer out_{&results_};            // the outcome at hand; keeps its memory between tasks
};

}  // namespace

void worker_main(std::uint64_t board, std::uint32_t index) {
  Worker worker{board, index};
  os::note_crashes_in(&worker.entry().crash);
  worker.work();
}

void work_on_board(std::uint64_t board, std::uint32_t index) {
  Worker{board, index}.work();
}

}  // namespace mp::pool
