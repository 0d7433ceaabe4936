// SPDX-License-Identifier: Apache-2.0
// mp/codec/pickle/exception.hpp — exceptions to and from Python.
//
// | Python                                            | C++                                   |
// |---------------------------------------------------|---------------------------------------|
// | KeyError, IndexError, LookupError                 | std::out_of_range                     |
// | ValueError, UnicodeError and theirs               | std::invalid_argument                 |
// | RuntimeError                                      | std::runtime_error                    |
// | OverflowError; MemoryError                        | std::overflow_error; std::bad_alloc   |
// | OSError and its kin, with an errno                | OsError                               |
// | EOFError, TimeoutError (both), AuthenticationError| those of mp                           |
// | BufferTooShort, ProcessError, BrokenBarrierError  | BufferTooShort, ..., BrokenBarrier    |
// | queue.Empty, Full, ShutDown                       | Empty, Full, QueueClosed              |
// | anything else                                     | RemoteError                           |
//
// remote_info() has Python's name of the class. The other way round an exception becomes the class
// whose handlers would expect it (std::out_of_range is an IndexError), and carries its own encoding
// as an attribute that Python ignores: between two processes of mp it arrives as what it was.
//
// Threads:   all functions may be called from any thread.
// Throws:    std::bad_alloc.
#pragma once

#include <exception>
#include <string_view>

#include "mp/base/export.hpp"
#include "mp/codec/exception.hpp"
#include "mp/codec/pickle/value.hpp"

namespace mp::pickle {

// Returns the exception object of Python.
[[nodiscard]] MP_API Value from_exception(const std::exception_ptr& error,
                                          const ExceptionOrigin& origin = {});
// Returns the exception; a value that is none becomes RemoteError. `stack` goes into its
// RemoteInfo.
[[nodiscard]] MP_API std::exception_ptr to_exception(const Value& value,
                                                     std::string_view stack = {});
// Whether the value is an exception of exactly that class.
[[nodiscard]] MP_API bool is_exception(const Value& value, std::string_view module,
                                       std::string_view name) noexcept;

}  // namespace mp::pickle
