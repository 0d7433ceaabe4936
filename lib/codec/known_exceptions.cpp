// SPDX-License-Identifier: Apache-2.0
#include "codec/known_exceptions.hpp"

#include <any>
#include <array>
#include <filesystem>
#include <functional>
#include <future>
#include <ios>
#include <memory>
#include <new>
#include <optional>
#include <regex>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>

#include "mp/codec/codec.hpp"
#include "mp/codec/types/duck.hpp"
#include "mp/codec/types/error_code.hpp"
#include "mp/codec/types/optional.hpp"
#include "mp/codec/types/string.hpp"
#include "mp/codec/types/vector.hpp"
#include "mp/errors/error.hpp"

#include "codec/arrived.hpp"

namespace mp::codec_detail {

namespace {

// Saves and loads the parts of an E beside its text. Most have none.
template <class E>
struct Details {
  static void save(Writer&, const E&) {}
  static std::exception_ptr load(Reader&, const std::string& text, RemoteInfo info) {
    if constexpr (std::is_constructible_v<E, const std::string&>) {
      return arrive<E>(text, std::move(info), text);
    } else if constexpr (std::is_constructible_v<E, std::string_view>) {
      return arrive<E>(text, std::move(info), std::string_view{text});
    } else {
      return arrive<E>(text, std::move(info));
    }
  }
};

// Those that are made from an error_code, perhaps followed by a text.
template <class E>
requires(std::is_base_of_v<std::system_error, E> &&
         (std::is_constructible_v<E, std::error_code> ||
          std::is_constructible_v<E, std::error_code, std::string_view>)) struct Details<E> {
  static void save(Writer& out, const E& error) { write(out, error.code()); }
  static std::exception_ptr load(Reader& in, const std::string& text, RemoteInfo info) {
    const auto code = read<std::error_code>(in);
    if constexpr (std::is_constructible_v<E, std::error_code>) {
      return arrive<E>(text, std::move(info), code);
    } else {
      return arrive<E>(text, std::move(info), code, std::string_view{text});
    }
  }
};

// Those of mp that are made from an Errc and a text.
template <class E>
requires(std::is_same_v<E, SyncError> || std::is_same_v<E, ProcessError>) struct Details<E> {
  static void save(Writer& out, const E& error) { write(out, error.code().value()); }
  static std::exception_ptr load(Reader& in, const std::string& text, RemoteInfo info) {
    return arrive<E>(text, std::move(info), static_cast<Errc>(read<int>(in)), text);
  }
};

template <>
struct Details<std::ios_base::failure> {
  using E = std::ios_base::failure;
  static void save(Writer& out, const E& error) { write(out, error.code()); }
  static std::exception_ptr load(Reader& in, const std::string& text, RemoteInfo info) {
    const auto code = read<std::error_code>(in);
    return arrive<E>(text, std::move(info), text, code);
  }
};

template <>
struct Details<std::filesystem::filesystem_error> {
  using E = std::filesystem::filesystem_error;
  static void save(Writer& out, const E& error) {
    write(out, error.code());
    write(out, error.path1());
    write(out, error.path2());
  }
  static std::exception_ptr load(Reader& in, const std::string& text, RemoteInfo info) {
    const auto code = read<std::error_code>(in);
    const auto path1 = read<std::filesystem::path>(in);
    const auto path2 = read<std::filesystem::path>(in);
    return arrive<E>(text, std::move(info), text, path1, path2, code);
  }
};

template <>
struct Details<std::future_error> {
  static void save(Writer& out, const std::future_error& error) {
    write(out, error.code().value());
  }
  static std::exception_ptr load(Reader& in, const std::string& text, RemoteInfo info) {
    const auto code = static_cast<std::future_errc>(read<int>(in));
    return arrive<std::future_error>(text, std::move(info), code);
  }
};

template <>
struct Details<std::regex_error> {
  static void save(Writer& out, const std::regex_error& error) {
    write(out, static_cast<int>(error.code()));
  }
  static std::exception_ptr load(Reader& in, const std::string& text, RemoteInfo info) {
    const auto code = static_cast<std::regex_constants::error_type>(read<int>(in));
    return arrive<std::regex_error>(text, std::move(info), code);
  }
};

template <>
struct Details<OsError> {
  static void save(Writer& out, const OsError& error) {
    write(out, error.code().value());
    write(out, error.operation());
  }
  static std::exception_ptr load(Reader& in, const std::string& text, RemoteInfo info) {
    const auto number = read<int>(in);
    const auto operation = read<std::string>(in);
    return arrive<OsError>(text, std::move(info), number, operation);
  }
};

template <class E>
requires std::is_base_of_v<WorkerDied, E>
struct Details<E> {
  static void save(Writer& out, const E& error) {
    write(out, error.pid());
    write(out, error.exitcode());
    write(out, error.report());
  }
  static std::exception_ptr load(Reader& in, const std::string& text, RemoteInfo info) {
    const auto pid = read<int>(in);
    const auto exitcode = read<int>(in);
    return arrive<E>(text, std::move(info), pid, exitcode, read<DeathReport>(in));
  }
};

Bytes read_message(Reader& in) {
  const std::size_t size = in.read_count(1, 1);
  const ByteView view = in.read_view(size);
  return Bytes(view.begin(), view.end());
}

template <class E>
requires std::is_base_of_v<CodecError, E>
struct Details<E> {
  static void save(Writer& out, const E& error) {
    out.write_count(error.message().size());
    out.write_bytes(error.message().data(), error.message().size());
  }
  static std::exception_ptr load(Reader& in, const std::string& text, RemoteInfo info) {
    Bytes message = read_message(in);
    if constexpr (std::is_same_v<E, DecodeError>) {
      return arrive<E>(text, std::move(info), text, std::move(message));
    } else if constexpr (std::is_same_v<E, TypeMismatch>) {
      return arrive<E>(text, std::move(info), "", "", std::move(message));
    } else if constexpr (std::is_same_v<E, BufferTooShort>) {
      return arrive<E>(text, std::move(info), std::move(message));
    } else {
      return arrive<E>(text, std::move(info), std::uint64_t{0}, std::uint64_t{0});
    }
  }
};

// It has its RemoteInfo inside, and needs no other class.
template <>
struct Details<RemoteError> {
  static void save(Writer&, const RemoteError&) {}
  static std::exception_ptr load(Reader&, const std::string& text, RemoteInfo info) {
    return std::make_exception_ptr(RemoteError{text, std::move(info)});
  }
};

template <class E>
bool is(const std::exception* error) noexcept {
  return dynamic_cast<const E*>(error) != nullptr;
}

template <class E>
void save(Writer& out, const std::exception& error) {
  Details<E>::save(out, dynamic_cast<const E&>(error));
}

template <class E>
KnownException known() {
  return {&typeid(E), &typeid(ArrivedKnown<E>), &is<E>, &save<E>, &Details<E>::load};
}

template <class... E>
std::array<KnownException, sizeof...(E)> list() {
  return {known<E>()...};
}

const auto known_list =
    list<TaskTimeout, TimeoutError, Cancelled, Empty, Full, EOFError, PoolClosed, QueueClosed,
         ClosedError, DecodeError, TypeMismatch, BufferTooShort, FrameTooLarge, AuthenticationError,
         OwnerDied, NotOwner, OverRelease, BrokenBarrier, SegmentBroken, SyncError, StartError,
         WorkerDied, PoisonTask, MemoryExceeded, WrongProcess, ProcessError, RemoteError, OsError,
         Error, OutOfMemory, UsageError, std::filesystem::filesystem_error, std::ios_base::failure,
         std::system_error, std::future_error, std::regex_error, std::domain_error,
         std::invalid_argument, std::length_error, std::out_of_range, std::logic_error,
         std::range_error, std::overflow_error, std::underflow_error, std::runtime_error,
         std::bad_array_new_length, std::bad_alloc, std::bad_any_cast, std::bad_cast,
         std::bad_typeid, std::bad_exception, std::bad_optional_access, std::bad_variant_access,
         std::bad_function_call, std::bad_weak_ptr, std::exception>();

}  // namespace

const std::span<const KnownException> kKnown{known_list};

std::optional<std::size_t> number_of(const std::exception& error) noexcept {
  const std::type_info& type = typeid(error);
  const bool hidden = dynamic_cast<const std::nested_exception*>(&error) != nullptr;
  for (std::size_t i = 0; i != kKnown.size(); ++i) {
    const KnownException& known = kKnown[i];
    if (type == *known.type || type == *known.arrived_type || (hidden && known.is(&error))) {
      return i;
    }
  }
  return std::nullopt;
}

}  // namespace mp::codec_detail
