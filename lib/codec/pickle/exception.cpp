// SPDX-License-Identifier: Apache-2.0
#include "mp/codec/pickle/exception.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <typeinfo>
#include <utility>

#include "mp/base/version.hpp"
#include "mp/errors/error.hpp"
#include "mp/errors/remote_error.hpp"

#include "codec/arrived.hpp"

namespace mp::pickle {

namespace {

constexpr std::string_view kBuiltins = "builtins";
constexpr const char* kNative = "__mp_exception__";

// The encoding of exceptions differs from release to release.
std::string release() {
  return std::to_string(kVersionMajor) + '.' + std::to_string(kVersionMinor) + '.' +
         std::to_string(kVersionPatch);
}

// What Python tells of an exception.
struct Told {
  std::string text;
  RemoteInfo info;
  const Items& args;
};

using Make = std::exception_ptr (*)(Told&& told);

template <class E>
std::exception_ptr make(Told&& told) {
  if constexpr (std::is_constructible_v<E, std::string>) {
    return codec_detail::arrive<E>(told.text, std::move(told.info), told.text);
  } else {
    return codec_detail::arrive<E>(told.text, std::move(told.info));
  }
}

std::exception_ptr make_remote(Told&& told) {
  return std::make_exception_ptr(RemoteError{told.text, std::move(told.info)});
}

std::exception_ptr make_os(Told&& told) {
  if (told.args.empty() || told.args[0].kind() != Kind::integer ||
      !std::in_range<int>(told.args[0].as_int())) {
    return make_remote(std::move(told));
  }
  const auto number = static_cast<int>(told.args[0].as_int());
  const std::string operation = told.info.type_name;
  return codec_detail::arrive<OsError>(told.text, std::move(told.info), number, operation);
}

std::exception_ptr make_too_short(Told&& told) {
  Bytes message;
  if (!told.args.empty() && told.args[0].kind() == Kind::bytes) {
    const ByteView bytes = told.args[0].as_bytes();
    message.assign(bytes.begin(), bytes.end());
  }
  return codec_detail::arrive<BufferTooShort>("the message is longer than the buffer",
                                              std::move(told.info), std::move(message));
}

std::exception_ptr make_process_error(Told&& told) {
  return codec_detail::arrive<ProcessError>(told.text, std::move(told.info), Errc::remote,
                                            told.text);
}

struct FromPython {
  std::string_view module;
  std::string_view name;
  Make make;
};

constexpr std::string_view kContext = "multiprocessing.context";

constexpr std::array kFromPython = {
    FromPython{kBuiltins, "KeyError", &make<std::out_of_range>},
    FromPython{kBuiltins, "IndexError", &make<std::out_of_range>},
    FromPython{kBuiltins, "LookupError", &make<std::out_of_range>},
    FromPython{kBuiltins, "ValueError", &make<std::invalid_argument>},
    FromPython{kBuiltins, "UnicodeError", &make<std::invalid_argument>},
    FromPython{kBuiltins, "UnicodeDecodeError", &make<std::invalid_argument>},
    FromPython{kBuiltins, "UnicodeEncodeError", &make<std::invalid_argument>},
    FromPython{kBuiltins, "RuntimeError", &make<std::runtime_error>},
    FromPython{kBuiltins, "OverflowError", &make<std::overflow_error>},
    FromPython{kBuiltins, "MemoryError", &make<std::bad_alloc>},
    FromPython{kBuiltins, "EOFError", &make<EOFError>},
    FromPython{kBuiltins, "TimeoutError", &make<TimeoutError>},
    FromPython{kBuiltins, "OSError", &make_os},
    FromPython{kBuiltins, "BlockingIOError", &make_os},
    FromPython{kBuiltins, "BrokenPipeError", &make_os},
    FromPython{kBuiltins, "ChildProcessError", &make_os},
    FromPython{kBuiltins, "ConnectionAbortedError", &make_os},
    FromPython{kBuiltins, "ConnectionRefusedError", &make_os},
    FromPython{kBuiltins, "ConnectionResetError", &make_os},
    FromPython{kBuiltins, "FileExistsError", &make_os},
    FromPython{kBuiltins, "FileNotFoundError", &make_os},
    FromPython{kBuiltins, "InterruptedError", &make_os},
    FromPython{kBuiltins, "IsADirectoryError", &make_os},
    FromPython{kBuiltins, "NotADirectoryError", &make_os},
    FromPython{kBuiltins, "PermissionError", &make_os},
    FromPython{kBuiltins, "ProcessLookupError", &make_os},
    FromPython{kContext, "TimeoutError", &make<TimeoutError>},
    FromPython{kContext, "AuthenticationError", &make<AuthenticationError>},
    FromPython{kContext, "BufferTooShort", &make_too_short},
    FromPython{kContext, "ProcessError", &make_process_error},
    FromPython{"queue", "Empty", &make<Empty>},
    FromPython{"queue", "Full", &make<Full>},
    FromPython{"queue", "ShutDown", &make<QueueClosed>},
    FromPython{"threading", "BrokenBarrierError", &make<BrokenBarrier>},
    FromPython{"multiprocessing.managers", "RemoteError", &make_remote},
};

// Python's str() of an exception.
std::string text_of(const Global& type, const Items& args) {
  const bool is_os = args.size() >= 2 && args[0].kind() == Kind::integer &&
                     type.module == kBuiltins && type.name.ends_with("Error");
  if (args.empty()) {
    return type.name;
  }
  if (args.size() == 1) {
    const std::string text = type.name == "KeyError" ? args[0].repr() : args[0].str();
    return text.empty() ? type.name : text;
  }
  if (is_os) {
    const std::string about = args.size() > 2 && !args[2].is_none() ? ": " + args[2].repr() : "";
    return "[Errno " + args[0].repr() + "] " + args[1].str() + about;
  }
  return Value::tuple(args).repr();
}

std::exception_ptr native(const Object& object) {
  if (object.state.kind() != Kind::dict) {
    return nullptr;
  }
  const Value* found = object.state.find(Value{kNative});
  if (found == nullptr || found->kind() != Kind::tuple || found->items().size() != 2 ||
      found->items()[0] != Value{release()} || found->items()[1].kind() != Kind::bytes) {
    return nullptr;
  }
  try {
    return decode_exception(found->items()[1].as_bytes());
  } catch (const DecodeError&) {
    return nullptr;
  }
}

std::exception_ptr remote(std::string text, std::string type, std::string_view stack) {
  RemoteInfo info;
  info.type_name = std::move(type);
  info.stack = stack;
  return std::make_exception_ptr(RemoteError{text, std::move(info)});
}

// The other way.

struct ToPython {
  bool (*is)(const std::exception& error) noexcept;
  std::string_view module;
  std::string_view name;
};

template <class E>
bool is(const std::exception& error) noexcept {
  return dynamic_cast<const E*>(&error) != nullptr;
}

// Derived classes before their bases.
constexpr std::array kToPython = {
    ToPython{&is<TimeoutError>, kContext, "TimeoutError"},
    ToPython{&is<Empty>, "queue", "Empty"},
    ToPython{&is<Full>, "queue", "Full"},
    ToPython{&is<QueueClosed>, kBuiltins, "ValueError"},
    ToPython{&is<PoolClosed>, kBuiltins, "ValueError"},
    ToPython{&is<EOFError>, kBuiltins, "EOFError"},
    ToPython{&is<TypeMismatch>, kBuiltins, "TypeError"},
    ToPython{&is<CodecError>, kBuiltins, "ValueError"},
    ToPython{&is<AuthenticationError>, kContext, "AuthenticationError"},
    ToPython{&is<OverRelease>, kBuiltins, "ValueError"},
    ToPython{&is<BrokenBarrier>, "threading", "BrokenBarrierError"},
    ToPython{&is<ProcessError>, kContext, "ProcessError"},
    ToPython{&is<RemoteError>, "multiprocessing.managers", "RemoteError"},
    ToPython{&is<std::out_of_range>, kBuiltins, "IndexError"},
    ToPython{&is<std::invalid_argument>, kBuiltins, "ValueError"},
    ToPython{&is<std::domain_error>, kBuiltins, "ValueError"},
    ToPython{&is<std::length_error>, kBuiltins, "ValueError"},
    ToPython{&is<UsageError>, kBuiltins, "ValueError"},
    ToPython{&is<std::overflow_error>, kBuiltins, "OverflowError"},
    ToPython{&is<std::range_error>, kBuiltins, "ArithmeticError"},
    ToPython{&is<std::underflow_error>, kBuiltins, "ArithmeticError"},
    ToPython{&is<std::bad_alloc>, kBuiltins, "MemoryError"},
    ToPython{&is<std::bad_cast>, kBuiltins, "TypeError"},
};

Object describe(const std::exception& error) {
  const Value text{std::string{error.what()}};
  const auto object = [](std::string_view module, std::string_view name, Items args) {
    return Object{.type = Value::global(module, name), .args = Value::tuple(std::move(args))};
  };
  if (const auto* too_short = dynamic_cast<const BufferTooShort*>(&error)) {
    return object(kContext, "BufferTooShort", {Value::bytes(too_short->message())});
  }
  const auto known = std::find_if(kToPython.begin(), kToPython.end(),
                                  [&error](const ToPython& each) { return each.is(error); });
  if (known != kToPython.end()) {
    return object(known->module, known->name, {text});
  }
  const auto* system = dynamic_cast<const std::system_error*>(&error);
  const bool has_errno =
      system != nullptr && (system->code().category() == std::system_category() ||
                            system->code().category() == std::generic_category());
  if (has_errno) {
    return object(kBuiltins, "OSError", {Value{system->code().value()}, text});
  }
  return object(kBuiltins, "RuntimeError", {text});
}

}  // namespace

Value from_exception(const std::exception_ptr& error, const ExceptionOrigin& origin) {
  const Bytes encoded = encode_exception(error, origin);
  Object object;
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    object = describe(known);
  } catch (...) {
    object.type = Value::global(kBuiltins, "RuntimeError");
    object.args = Value::tuple({"an exception that is no std::exception"});
  }
  object.state =
      Value::dict({{Value{kNative}, Value::tuple({Value{release()}, Value::bytes(encoded)})}});
  return Value::object(std::move(object));
}

std::exception_ptr to_exception(const Value& value, std::string_view stack) {
  if (value.kind() != Kind::object || value.as_object().type.kind() != Kind::global) {
    return remote(value.repr(), std::string{name_of(value.kind())}, stack);
  }
  const Object& object = value.as_object();
  const Items& args = object.args.items();
  // How a pool sends an exception together with the text of its traceback.
  if (object.is("multiprocessing.pool", "rebuild_exc") && args.size() == 2) {
    const bool has_text = args[1].kind() == Kind::string;
    return to_exception(args[0], has_text ? std::string_view{args[1].as_string()} : stack);
  }
  if (std::exception_ptr same = native(object)) {
    return same;
  }
  const Global& type = object.type.as_global();
  Told told{.text = text_of(type, args), .info = {}, .args = args};
  told.info.type_name = type.module == kBuiltins ? type.name : type.module + "." + type.name;
  told.info.stack = stack;
  const auto known =
      std::find_if(kFromPython.begin(), kFromPython.end(), [&type](const FromPython& each) {
        return each.module == type.module && each.name == type.name;
      });
  return known != kFromPython.end() ? known->make(std::move(told)) : make_remote(std::move(told));
}

bool is_exception(const Value& value, std::string_view module, std::string_view name) noexcept {
  return value.kind() == Kind::object && value.as_object().is(module, name);
}

}  // namespace mp::pickle
