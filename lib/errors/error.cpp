// SPDX-License-Identifier: Apache-2.0
// The destructors are here, and not inline, so that each class has one vtable and one typeinfo, in
// the library: a catch in another shared object then finds the same type.
#include "mp/errors/error.hpp"

#include <utility>

namespace mp {

namespace {

// The sentence that was given, or the category's when none was.
std::shared_ptr<const std::string> sentence_or(std::error_code code, std::string_view sentence) {
  return std::make_shared<const std::string>(sentence.empty() ? code.message()
                                                              : std::string{sentence});
}

std::string os_sentence(int error_number, std::string_view operation, std::string_view detail) {
  std::string text{operation};
  if (!detail.empty()) {
    text.append("(").append(detail).append(")");
  }
  return text + ": " + std::system_category().message(error_number);
}

}  // namespace

Error::Error(std::error_code code, std::string_view sentence)
    : std::system_error{code}, sentence_{sentence_or(code, sentence)} {}
Error::~Error() = default;

const char* Error::what() const noexcept {
  return sentence_->c_str();
}

OsError::OsError(int error_number, std::string_view operation, std::string_view detail)
    : Error{std::error_code{error_number, std::system_category()},
            os_sentence(error_number, operation, detail)},
      operation_{std::make_shared<const std::string>(operation)} {}
OsError::~OsError() = default;

OutOfMemory::OutOfMemory(std::string_view sentence)
    : sentence_{std::make_shared<const std::string>(sentence)} {}
OutOfMemory::~OutOfMemory() = default;

const char* OutOfMemory::what() const noexcept {
  return sentence_->c_str();
}

UsageError::UsageError(const std::string& sentence) : std::logic_error{sentence} {}
UsageError::~UsageError() = default;

TimeoutError::TimeoutError(std::string_view sentence) : Error{Errc::timed_out, sentence} {}
TimeoutError::TimeoutError(Errc code, std::string_view sentence) : Error{code, sentence} {}
TimeoutError::~TimeoutError() = default;

TaskTimeout::TaskTimeout(std::string_view sentence) : TimeoutError{Errc::task_timeout, sentence} {}
TaskTimeout::~TaskTimeout() = default;

ClosedError::ClosedError(std::string_view sentence) : Error{Errc::closed, sentence} {}
ClosedError::ClosedError(Errc code, std::string_view sentence) : Error{code, sentence} {}
ClosedError::~ClosedError() = default;

CodecError::CodecError(Errc code, std::string_view sentence, Bytes message)
    : Error{code, sentence}, message_{std::make_shared<const Bytes>(std::move(message))} {}
CodecError::~CodecError() = default;

DecodeError::DecodeError(std::string_view sentence, Bytes message)
    : CodecError{Errc::bad_encoding, sentence, std::move(message)} {}
DecodeError::~DecodeError() = default;

TypeMismatch::TypeMismatch(std::string_view expected, std::string_view received, Bytes message)
    : CodecError{Errc::type_mismatch,
                 "expected a message of type " + std::string{expected} + " but received one of " +
                     std::string{received},
                 std::move(message)} {}
TypeMismatch::TypeMismatch(const TypeMismatch& error, Bytes message)
    : CodecError{Errc::type_mismatch, error.what(), std::move(message)} {}
TypeMismatch::~TypeMismatch() = default;

BufferTooShort::BufferTooShort(Bytes message)
    : CodecError{
          Errc::buffer_too_short,
          "the message of " + std::to_string(message.size()) + " bytes is longer than the buffer",
          std::move(message)} {}
BufferTooShort::~BufferTooShort() = default;

FrameTooLarge::FrameTooLarge(std::uint64_t size, std::uint64_t limit)
    : CodecError{Errc::frame_too_large,
                 "a message of " + std::to_string(size) + " bytes is over the limit of " +
                     std::to_string(limit),
                 {}} {}
FrameTooLarge::~FrameTooLarge() = default;

SyncError::SyncError(Errc code, std::string_view sentence) : Error{code, sentence} {}
SyncError::~SyncError() = default;

ProcessError::ProcessError(Errc code, std::string_view sentence) : Error{code, sentence} {}
ProcessError::~ProcessError() = default;

namespace {

std::string sentence_of(int pid, int exitcode, const DeathReport& report) {
  std::string text = "worker " + std::to_string(pid) + " died";
  if (!report.task.empty()) {
    text += " in " + report.task;
  }
  if (report.item) {
    text += ", item " + std::to_string(*report.item);
  }
  text += exitcode < 0 ? ", killed by signal " + std::to_string(-exitcode)
                       : ", exit code " + std::to_string(exitcode);
  if (report.out_of_memory) {
    text += " (the kernel has killed for lack of memory)";
  }
  if (report.resident > report.memory_cap) {
    text += " for having " + std::to_string(report.resident) + " bytes resident of " +
            std::to_string(report.memory_cap);
  }
  if (report.attempts > 1) {
    text += ", attempt " + std::to_string(report.attempts);
  }
  if (!report.saved_to.empty()) {
    text += "; run it again here with MP_REPLAY=" + report.saved_to;
  }
  return text;
}

}  // namespace

WorkerDied::WorkerDied(int pid, int exitcode, std::string_view sentence)
    : WorkerDied{Errc::worker_died, pid, exitcode, DeathReport{}, sentence} {}
WorkerDied::WorkerDied(int pid, int exitcode, DeathReport report)
    : WorkerDied{Errc::worker_died, pid, exitcode, std::move(report), {}} {}
WorkerDied::WorkerDied(Errc code, int pid, int exitcode, DeathReport report,
                       std::string_view sentence)
    : ProcessError{code,
                   sentence.empty() ? sentence_of(pid, exitcode, report) : std::string{sentence}},
      pid_{pid},
      exitcode_{exitcode},
      report_{std::make_shared<const DeathReport>(std::move(report))} {}
WorkerDied::~WorkerDied() = default;

PoisonTask::PoisonTask(int pid, int exitcode, DeathReport report)
    : WorkerDied{Errc::poison_task, pid, exitcode, std::move(report), {}} {}
PoisonTask::~PoisonTask() = default;

MemoryExceeded::MemoryExceeded(int pid, int exitcode, DeathReport report)
    : WorkerDied{Errc::memory_exceeded, pid, exitcode, std::move(report), {}} {}
MemoryExceeded::~MemoryExceeded() = default;

namespace detail {

std::string (*describe_frames)(const std::vector<std::uint64_t>& frames) = nullptr;

}  // namespace detail

std::string DeathReport::stack() const {
  return detail::describe_frames != nullptr && !frames.empty() ? detail::describe_frames(frames)
                                                               : std::string{};
}

std::string DeathReport::called_from() const {
  return detail::describe_frames != nullptr && call_site != 0 ? detail::describe_frames({call_site})
                                                              : std::string{};
}

Cancelled::Cancelled(std::string_view sentence) : Error{Errc::cancelled, sentence} {}
Cancelled::~Cancelled() = default;

Empty::Empty(std::string_view sentence) : Error{Errc::empty, sentence} {}
Empty::~Empty() = default;

Full::Full(std::string_view sentence) : Error{Errc::full, sentence} {}
Full::~Full() = default;

EOFError::EOFError(std::string_view sentence) : ClosedError{Errc::end_of_file, sentence} {}
EOFError::~EOFError() = default;

PoolClosed::PoolClosed(std::string_view sentence) : ClosedError{Errc::pool_closed, sentence} {}
PoolClosed::~PoolClosed() = default;

QueueClosed::QueueClosed(std::string_view sentence) : ClosedError{Errc::queue_closed, sentence} {}
QueueClosed::~QueueClosed() = default;

AuthenticationError::AuthenticationError(std::string_view sentence)
    : Error{Errc::authentication_failed, sentence} {}
AuthenticationError::~AuthenticationError() = default;

OwnerDied::OwnerDied(std::string_view sentence) : SyncError{Errc::owner_died, sentence} {}
OwnerDied::~OwnerDied() = default;

NotOwner::NotOwner(std::string_view sentence) : SyncError{Errc::not_owner, sentence} {}
NotOwner::~NotOwner() = default;

OverRelease::OverRelease(std::string_view sentence) : SyncError{Errc::over_release, sentence} {}
OverRelease::~OverRelease() = default;

BrokenBarrier::BrokenBarrier(std::string_view sentence)
    : SyncError{Errc::broken_barrier, sentence} {}
BrokenBarrier::~BrokenBarrier() = default;

SegmentBroken::SegmentBroken(std::string_view sentence)
    : SyncError{Errc::segment_broken, sentence} {}
SegmentBroken::~SegmentBroken() = default;

StartError::StartError(std::string_view sentence) : ProcessError{Errc::start_failed, sentence} {}
StartError::~StartError() = default;

WrongProcess::WrongProcess(std::string_view sentence)
    : ProcessError{Errc::wrong_process, sentence} {}
WrongProcess::~WrongProcess() = default;

}  // namespace mp
