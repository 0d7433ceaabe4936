// SPDX-License-Identifier: Apache-2.0
// mp/errors/error.hpp — the exceptions of mp.
//
// | situation                                             | form                                 |
// |-------------------------------------------------------|--------------------------------------|
// | a normal alternative (lock busy, queue empty, time up)| return value: bool, std::optional    |
// | the world failed (no memory, peer gone, bad bytes)    | an exception derived from mp::Error  |
// | the caller broke what a header calls Expects          | UsageError, always checked           |
// | shared memory cannot be had                           | OutOfMemory, a std::bad_alloc        |
// | our own invariant broke                               | a line on stderr and abort()         |
//
// There is one class for each reaction a caller can have. what() is one sentence; code() is always
// meaningful and compares with std::errc. All are copyable without throwing, and all keep their
// own type when a task in another process throws them.
//
// Python: ProcessError, BufferTooShort, TimeoutError, AuthenticationError, queue.Empty, queue.Full,
// EOFError, BrokenBarrierError have the same names here; ValueError for misuse is UsageError.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include "mp/base/bytes.hpp"
#include "mp/base/export.hpp"
#include "mp/errors/death_report.hpp"
#include "mp/errors/errc.hpp"

namespace mp {

// The base of everything below but UsageError and OutOfMemory.
class MP_API Error : public std::system_error {
 public:
  Error(std::error_code code, std::string_view sentence);
  ~Error() override;
  [[nodiscard]] const char* what() const noexcept override;

 private:
  std::shared_ptr<const std::string> sentence_;
};

// A call of the operating system failed. code() is its errno in the system category.
class MP_API OsError : public Error {
 public:
  // `operation` is the call's name ("memfd_create"), `detail` what it was about (a path, a size).
  OsError(int error_number, std::string_view operation, std::string_view detail = {});
  ~OsError() override;
  [[nodiscard]] const std::string& operation() const noexcept { return *operation_; }

 private:
  std::shared_ptr<const std::string> operation_;
};

// Shared memory cannot be had: the arena is full, or a limit of the process or the system is met.
class MP_API OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::string_view sentence);
  ~OutOfMemory() override;
  [[nodiscard]] const char* what() const noexcept override;

 private:
  std::shared_ptr<const std::string> sentence_;
};

// The caller did what a header forbids; the sentence says what.
class MP_API UsageError : public std::logic_error {
 public:
  explicit UsageError(const std::string& sentence);
  ~UsageError() override;
};

// A bounded call that had to produce a value ran out of time.
class MP_API TimeoutError : public Error {
 public:
  explicit TimeoutError(std::string_view sentence = {});
  ~TimeoutError() override;

 protected:
  TimeoutError(Errc code, std::string_view sentence);
};

// A task of a pool ran longer than its own time limit, and was ended.
class MP_API TaskTimeout : public TimeoutError {
 public:
  explicit TaskTimeout(std::string_view sentence = {});
  ~TaskTimeout() override;
};

// A task was cancelled before it ended.
class MP_API Cancelled : public Error {
 public:
  explicit Cancelled(std::string_view sentence = {});
  ~Cancelled() override;
};

// Nothing to get from a queue, now or in time.
class MP_API Empty : public Error {
 public:
  explicit Empty(std::string_view sentence = {});
  ~Empty() override;
};

// No room to put into a queue, now or in time.
class MP_API Full : public Error {
 public:
  explicit Full(std::string_view sentence = {});
  ~Full() override;
};

// The object was closed, by this process or for good.
class MP_API ClosedError : public Error {
 public:
  explicit ClosedError(std::string_view sentence = {});
  ~ClosedError() override;

 protected:
  ClosedError(Errc code, std::string_view sentence);
};

// Every other end is closed or dead, and everything sent has been received.
class MP_API EOFError : public ClosedError {
 public:
  explicit EOFError(std::string_view sentence = {});
  ~EOFError() override;
};

// The pool was closed or terminated.
class MP_API PoolClosed : public ClosedError {
 public:
  explicit PoolClosed(std::string_view sentence = {});
  ~PoolClosed() override;
};

// The queue was closed in this process, or shut down.
class MP_API QueueClosed : public ClosedError {
 public:
  explicit QueueClosed(std::string_view sentence = {});
  ~QueueClosed() override;
};

// Bytes from elsewhere could not be taken. It carries the whole message, so nothing is lost.
class MP_API CodecError : public Error {
 public:
  ~CodecError() override;
  // The bytes that could not be taken; empty when they were never received.
  [[nodiscard]] const Bytes& message() const noexcept { return *message_; }

 protected:
  CodecError(Errc code, std::string_view sentence, Bytes message);

 private:
  std::shared_ptr<const Bytes> message_;
};

// The bytes are no encoding of the wanted type: torn, too short, too deep, or hostile.
class MP_API DecodeError : public CodecError {
 public:
  explicit DecodeError(std::string_view sentence = {}, Bytes message = {});
  ~DecodeError() override;
};

// The message holds a value of another type.
class MP_API TypeMismatch : public CodecError {
 public:
  TypeMismatch(std::string_view expected, std::string_view received, Bytes message = {});
  // The same sentence, with the message.
  TypeMismatch(const TypeMismatch& error, Bytes message);
  ~TypeMismatch() override;
};

// The message is longer than the buffer it was to be received into.
class MP_API BufferTooShort : public CodecError {
 public:
  explicit BufferTooShort(Bytes message);
  ~BufferTooShort() override;
};

// A peer announced, or a caller wants to send, a message longer than the connection's limit.
class MP_API FrameTooLarge : public CodecError {
 public:
  FrameTooLarge(std::uint64_t size, std::uint64_t limit);
  ~FrameTooLarge() override;
};

// The other side does not have the same key, or does not speak the handshake.
class MP_API AuthenticationError : public Error {
 public:
  explicit AuthenticationError(std::string_view sentence = {});
  ~AuthenticationError() override;
};

// What can go wrong with a lock, semaphore, condition, event or barrier.
class MP_API SyncError : public Error {
 public:
  SyncError(Errc code, std::string_view sentence);
  ~SyncError() override;
};

// The process that held the lock died. The lock stays closed until someone calls recover().
class MP_API OwnerDied : public SyncError {
 public:
  explicit OwnerDied(std::string_view sentence = {});
  ~OwnerDied() override;
};

// Released by somebody who does not hold it.
class MP_API NotOwner : public SyncError {
 public:
  explicit NotOwner(std::string_view sentence = {});
  ~NotOwner() override;
};

// Released more often than acquired.
class MP_API OverRelease : public SyncError {
 public:
  explicit OverRelease(std::string_view sentence = {});
  ~OverRelease() override;
};

// A party died, gave up or aborted while others waited.
class MP_API BrokenBarrier : public SyncError {
 public:
  explicit BrokenBarrier(std::string_view sentence = {});
  ~BrokenBarrier() override;
};

// A process was killed while it changed a segment whose contents cannot be repaired.
class MP_API SegmentBroken : public SyncError {
 public:
  explicit SegmentBroken(std::string_view sentence = {});
  ~SegmentBroken() override;
};

// What can go wrong with a process.
class MP_API ProcessError : public Error {
 public:
  ProcessError(Errc code, std::string_view sentence);
  ~ProcessError() override;
};

// A process could not be started.
class MP_API StartError : public ProcessError {
 public:
  explicit StartError(std::string_view sentence = {});
  ~StartError() override;
};

// A worker died while it ran a task.
class MP_API WorkerDied : public ProcessError {
 public:
  // `exitcode` as Process::exitcode has it: n after exit(n), -s after signal s.
  WorkerDied(int pid, int exitcode, std::string_view sentence = {});
  ~WorkerDied() override;
  [[nodiscard]] int pid() const noexcept { return pid_; }
  [[nodiscard]] int exitcode() const noexcept { return exitcode_; }
  // The signal that ended it, 0 when it exited.
  [[nodiscard]] int signal() const noexcept { return exitcode_ < 0 ? -exitcode_ : 0; }
  // What it was doing, where it was, and why it may have died.
  [[nodiscard]] const DeathReport& report() const noexcept { return *report_; }
  // The sentence is made from the report.
  WorkerDied(int pid, int exitcode, DeathReport report);

 protected:
  WorkerDied(Errc code, int pid, int exitcode, DeathReport report, std::string_view sentence);

 private:
  int pid_;
  int exitcode_;
  std::shared_ptr<const DeathReport> report_;
};

// A task, or an item of a map, that killed each worker that it was given to until its retries were
// spent.
class MP_API PoisonTask : public WorkerDied {
 public:
  PoisonTask(int pid, int exitcode, DeathReport report);
  ~PoisonTask() override;
};

// A task had its worker use more memory than a worker may have, twice. The report says how much.
class MP_API MemoryExceeded : public WorkerDied {
 public:
  MemoryExceeded(int pid, int exitcode, DeathReport report);
  ~MemoryExceeded() override;
};

// The object belongs to another process, or cannot be used after a fork.
class MP_API WrongProcess : public ProcessError {
 public:
  explicit WrongProcess(std::string_view sentence = {});
  ~WrongProcess() override;
};

}  // namespace mp
