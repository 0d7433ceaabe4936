// SPDX-License-Identifier: Apache-2.0
// What goes over the socket, in native byte order:
//
//     parent to child   | u64 size | call |
//     child to parent   | Word::ready |                          once it is confined
//                       | Word::refused | i32 errno | u8 Sys |   instead, and it ends
//                       | Word::outcome | u64 size | outcome |   then nothing
//                       | Word::no_memory |                      instead
//
// Invariants
//   I1  Nothing of the user's runs in the child before `ready` was sent, so what comes before it is
//       ours, and what comes after it may be anything.
//   I2  The child is not reaped before its process group was killed: until then its pid, which is
//       the group's, cannot be somebody else's.
#include "mp/pool/isolated.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <new>
#include <string>

#include "mp/base/contract.hpp"

#include "memory/arena.hpp"
#include "os/clone.hpp"
#include "os/confine.hpp"
#include "os/limits.hpp"
#include "os/parent_death.hpp"
#include "os/pidfd.hpp"
#include "os/poll.hpp"
#include "os/proc.hpp"
#include "os/signal.hpp"
#include "os/socket.hpp"
#include "os/start_marker.hpp"
#include "os/stdio.hpp"
#include "os/wait.hpp"

namespace mp::detail {

namespace {

using namespace std::chrono_literals;

enum class Word : std::uint8_t { ready = 1, refused = 2, outcome = 3, no_memory = 4 };

constexpr int kUnknownStatus = 255;

// What the exception of a failed allocation needs to be described and sent.
constexpr std::size_t kReserve = std::size_t{512} << 10;

template <class T>
void append(Bytes& bytes, const T& value) {
  const auto* from = reinterpret_cast<const std::byte*>(&value);
  bytes.insert(bytes.end(), from, from + sizeof value);
}

// Reads a T at `at`, and steps behind it; nothing when there are not enough bytes.
template <class T>
bool take(ByteView bytes, std::size_t& at, T& value) {
  if (bytes.size() - at < sizeof value) {
    return false;
  }
  std::memcpy(&value, bytes.data() + at, sizeof value);
  at += sizeof value;
  return true;
}

// --- the child -----------------------------------------------------------------------------------

// A number that no open descriptor of the standard streams has.
constexpr int kNoStandardStream = 3;

void give_up_rights(const IsolatedOptions& options, os::Fd& socket, int parent) {
  os::set_parent_death_signal(os::kSigKill);
  if (os::parent_pid() != parent) {
    os::exit_now(1);
  }
  os::lead_process_group(0);
  memory::Arena::leave();
  os::standard_streams_to_null(!options.output);
  const std::array kept{0, 1, 2, socket.get()};
  os::close_all_but(kept);
  socket = socket.duplicate(kNoStandardStream);  // the lowest: that is what `nofile` counts
  os::set_limit(os::Limit::core_size, {0, 0});
  os::confine(!options.no_network);
}

void limit_memory(std::size_t bytes) {
  const std::uint64_t used = os::address_space_in_use();
  if (used == 0) {
    throw OsError{os::kNoSuchCall, "setrlimit", "/proc does not tell how much memory is in use"};
  }
  const std::uint64_t limit = used + bytes;
  os::set_limit(os::Limit::address_space, {limit, limit});
}

[[noreturn]] void refuse(int socket, int error, os::Sys sys) {
  Bytes answer;
  append(answer, Word::refused);
  append(answer, std::int32_t{error});
  append(answer, sys);
  os::send_all(socket, answer);
  os::exit_now(1);
}

// Which call it was that OsError names.
os::Sys sys_of(const OsError& error) noexcept {
  for (std::uint8_t i = 0; i < static_cast<std::uint8_t>(os::Sys::count_); ++i) {
    if (error.operation() == os::name(static_cast<os::Sys>(i))) {
      return static_cast<os::Sys>(i);
    }
  }
  return os::Sys::setrlimit;
}

Bytes receive_call(int socket) {
  std::uint64_t size = 0;
  const auto head = os::receive_all(
      socket, {reinterpret_cast<std::byte*>(&size), sizeof size});  // of our own parent
  if (head.size != sizeof size) {
    os::exit_now(1);
  }
  Bytes call(size);
  if (os::receive_all(socket, call).size != size) {
    os::exit_now(1);
  }
  return call;
}

void answer(int socket, ByteView call) {
  auto reserve = std::make_unique<std::array<std::byte, kReserve>>();
  Bytes head;
  head.reserve(16);
  Writer out;
  bool starved = false;
  try {
    Reader in{call};
    const ExceptionOrigin self{.process_name = "isolated", .pid = os::pid(), .stack = {}};
    out.write_raw(std::uint8_t{0});
    CallFrame frame{in, out, self};
    try {
      run_thunk(frame);
    } catch (const std::bad_alloc&) {
      starved = true;
    } catch (...) {
      reserve.reset();
      out.rewind(0);
      write_failure(out, std::current_exception(), self);
    }
  } catch (const std::bad_alloc&) {
    starved = true;
  }
  reserve.reset();
  os::flush_output();  // before our parent has the answer, since it kills us then
  if (starved) {
    append(head, Word::no_memory);
    os::send_all(socket, head);
    return;
  }
  const ByteView outcome = out.written();
  append(head, Word::outcome);
  append(head, std::uint64_t{outcome.size()});
  os::send_all(socket, head);
  os::send_all(socket, outcome);
}

// For at_exit_first: a call that leaves by exit() runs nothing of its parent's.
void leave(int status) {
  os::flush_output();
  os::exit_now(status & 0xff);
}

[[noreturn]] void run_child(const IsolatedOptions& options, os::Fd socket, int parent) noexcept {
  try {
    os::drop_inherited_output();
    os::forget_signal_handlers();
    Bytes call;
    try {
      if (socket.get() < kNoStandardStream) {
        socket = socket.duplicate(kNoStandardStream);
      }
      give_up_rights(options, socket, parent);
      call = receive_call(socket.get());
      os::at_exit_first(leave);
      if (options.memory != 0) {
        limit_memory(options.memory);
      }
      if (options.nofile != 0) {
        os::set_limit(os::Limit::open_files, {options.nofile, options.nofile});
      }
    } catch (const OsError& error) {
      refuse(socket.get(), error.code().value(), sys_of(error));
    }
    const Word ready = Word::ready;
    os::send_all(socket.get(), {reinterpret_cast<const std::byte*>(&ready), 1});
    answer(socket.get(), call);
    os::exit_now(0);
  } catch (...) {
    os::exit_now(1);
  }
}

// --- the parent ----------------------------------------------------------------------------------

// A child that is killed with all it started, and reaped, whatever happens here.
class Guard {
 public:
  explicit Guard(os::Child child) : child_{std::move(child)} {}
  ~Guard() {
    try {
      end();
    } catch (const std::exception&) {
      // waitid itself failed: there is nothing left to wait for
    }
  }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  [[nodiscard]] int pidfd() const noexcept { return child_.pidfd.get(); }
  [[nodiscard]] int pid() const noexcept { return child_.pid; }
  [[nodiscard]] bool is_dead() const noexcept { return os::is_zombie_or_gone(child_.pid, 0); }

  // I2. Returns how it ended.
  os::Exit end() {
    if (!ended_) {
      // It may not have made its group yet, or be dead before it has one.
      (void)os::send_signal(pidfd(), child_.pid, 0, os::kSigKill);
      (void)os::signal_process_group(child_.pid, os::kSigKill);
      exit_ = os::wait_child(child_.pid, pidfd(), Deadline::never());
      ended_ = true;
    }
    return exit_;
  }

 private:
  os::Child child_;
  bool ended_ = false;
  os::Exit exit_{os::Exit::State::running};
};

// What the child has sent so far, and how far that goes.
class Answer {
 public:
  explicit Answer(std::size_t most) : most_{most} {}

  enum class State : std::uint8_t { partial, refused, no_memory, outcome, nonsense };

  // Takes what the socket has. Returns false at its end.
  bool receive(int socket) {
    const std::size_t had = bytes_.size();
    bytes_.resize(had + kChunk);
    std::size_t got = 0;
    try {
      os::Received received;
      if (!os::receive_some(socket, MutableByteView{bytes_}.subspan(had), 0, received)) {
        bytes_.resize(had);
        return true;
      }
      got = received.size;
    } catch (const OsError&) {
      got = 0;  // reset, or descriptors that nobody wants
    }
    bytes_.resize(had + got);
    return got != 0;
  }

  [[nodiscard]] State state() {
    std::size_t at = 0;
    std::uint8_t word = 0;
    const ByteView bytes{bytes_};
    if (!take(bytes, at, word)) {
      return State::partial;
    }
    if (word == static_cast<std::uint8_t>(Word::refused)) {
      return take(bytes, at, error_) && take(bytes, at, sys_) ? State::refused : State::partial;
    }
    if (word != static_cast<std::uint8_t>(Word::ready)) {
      return State::nonsense;
    }
    ready_ = true;
    if (!take(bytes, at, word)) {
      return State::partial;
    }
    if (word == static_cast<std::uint8_t>(Word::no_memory)) {
      return State::no_memory;
    }
    std::uint64_t size = 0;
    if (word != static_cast<std::uint8_t>(Word::outcome)) {
      return State::nonsense;
    }
    if (!take(bytes, at, size)) {
      return State::partial;
    }
    if (size > most_) {
      return State::nonsense;
    }
    return bytes.size() - at >= size ? State::outcome : State::partial;
  }

  [[nodiscard]] Bytes take_outcome() {
    bytes_.erase(bytes_.begin(), bytes_.begin() + kHead);
    return std::move(bytes_);
  }
  [[noreturn]] void throw_refusal() const {
    throw OsError{error_, os::name(static_cast<os::Sys>(sys_)), "in the isolated child"};
  }

 private:
  static constexpr std::size_t kChunk = std::size_t{64} << 10;
  static constexpr std::ptrdiff_t kHead = 2 + sizeof(std::uint64_t);

  std::size_t most_;
  Bytes bytes_;
  bool ready_ = false;
  std::int32_t error_ = 0;
  std::uint8_t sys_ = 0;
};

IsolatedEnd failed(IsolatedFailure how, std::exception_ptr error, int exitcode = 0) {
  return {.failure = how, .exitcode = exitcode, .outcome = {}, .error = std::move(error)};
}

IsolatedEnd timed_out() {
  return failed(IsolatedFailure::timeout,
                std::make_exception_ptr(TaskTimeout{"the isolated call took too long"}));
}
IsolatedEnd starved() {
  return failed(IsolatedFailure::memory,
                std::make_exception_ptr(OutOfMemory{"the isolated call had not enough memory"}));
}

// Sends the call. Returns false when the child does not want it any more; its answer says why.
bool send_call(int socket, const RawCall& call, Deadline until, bool& late) {
  Bytes head;
  append(head, std::uint64_t{call.bytes().size()});
  try {
    os::send_all(socket, head, {}, until);
    os::send_all(socket, call.bytes(), {}, until);
    return true;
  } catch (const OsError& error) {
    late = os::timed_out(error.code().value());
    if (!late && !os::peer_is_gone(error.code().value())) {
      throw;
    }
    return false;
  }
}

IsolatedEnd judge_death(Guard& child, std::uint64_t memory_kills) {
  const os::Exit exit = child.end();
  const int status = exit.state == os::Exit::State::exited ? exit.status : kUnknownStatus;
  if (status == -os::kSigKill && os::memory_kills() > memory_kills) {
    return starved();
  }
  const std::string how =
      status < 0 ? "the isolated call was killed by signal " + std::to_string(-status)
                 : "the isolated call exited with " + std::to_string(status) + ", without a result";
  return failed(status < 0 ? IsolatedFailure::signal : IsolatedFailure::exit,
                std::make_exception_ptr(WorkerDied{child.pid(), status, how}), status);
}

IsolatedEnd nonsense() {
  return failed(IsolatedFailure::undecodable,
                std::make_exception_ptr(DecodeError{
                    "what the isolated call sent is no result, or one that is too long"}));
}

IsolatedEnd watch(Guard& child, int socket, Answer& answer, Deadline until) {
  const std::uint64_t memory_kills = os::memory_kills();
  bool open = true;
  for (;;) {
    switch (answer.state()) {
      case Answer::State::partial:
        break;
      case Answer::State::refused:
        answer.throw_refusal();
      case Answer::State::no_memory:
        return starved();
      case Answer::State::nonsense:
        return nonsense();
      case Answer::State::outcome:
        return {.outcome = answer.take_outcome()};
    }
    std::array<os::PollEntry, 2> entries{
        {{open ? socket : -1, os::kReadable}, {child.pidfd(), os::kReadable}}};
    // Without pidfds: look now and then, since the end of the socket is no proof of death.
    os::poll(entries, child.pidfd() < 0 ? until.no_later_than(20ms) : until);
    // Asked before the socket is read to its end: who is dead sends nothing more.
    const bool dead = child.pidfd() < 0 ? child.is_dead() : entries[1].ready != 0;
    if (open && entries[0].ready != 0) {
      open = answer.receive(socket);
      continue;
    }
    if (dead) {
      if (open && os::wait_readable(socket, Deadline::now())) {
        continue;
      }
      return judge_death(child, memory_kills);
    }
    if (until.passed()) {
      return timed_out();
    }
  }
}

}  // namespace

void NothingShared::put_object(std::uint64_t /*id*/) {
  throw UsageError{"an isolated call takes no handle to anything shared: it would have no access"};
}
void NothingShared::put_fd(int /*fd*/) {
  throw UsageError{"an isolated call takes no descriptors"};
}

IsolatedEnd run_isolated(const IsolatedOptions& options, const RawCall& call) {
  MP_EXPECTS(options.nofile == 0 || options.nofile >= 4,
             "an isolated call needs four descriptors: the standard streams and its socket");
  const Deadline until = options.timeout.is_none()
                             ? Deadline::never()
                             : Deadline{std::chrono::nanoseconds{options.timeout.nanoseconds()}};
  auto [ours, theirs] = os::socket_pair(os::SocketKind::stream);
  os::flush_output();
  const int self = os::pid();
  os::Child forked;
  try {
    const os::SignalBlock block;
    forked = os::fork_process();
    if (forked.pid == 0) {
      run_child(options, std::move(theirs), self);
    }
  } catch (const OsError& error) {
    throw StartError{std::string{"an isolated child could not be started: "} + error.what()};
  }
  theirs.reset();
  Guard child{std::move(forked)};
  Answer answer{options.max_result};
  bool late = false;
  if (!send_call(ours.get(), call, until, late) && late) {
    return timed_out();
  }
  return watch(child, ours.get(), answer, until);
}

void note_isolated_failure(IsolatedEnd& end) {
  end.error = std::current_exception();
  // Reading an outcome throws the exception in it, which may be a DecodeError that the call threw:
  // the mark of success tells the two apart.
  const bool threw = !end.outcome.empty() && end.outcome.front() != std::byte{0};
  try {
    throw;
  } catch (const std::bad_alloc&) {
    end.failure = IsolatedFailure::memory;
  } catch (const DecodeError& error) {
    end.failure = threw && remote_info(error) != nullptr ? IsolatedFailure::exception
                                                         : IsolatedFailure::undecodable;
  } catch (...) {
    end.failure = threw ? IsolatedFailure::exception : IsolatedFailure::undecodable;
  }
}

}  // namespace mp::detail
