// SPDX-License-Identifier: Apache-2.0
// mp/codec/exception.hpp — exceptions that cross from one process to another.
//
// What arrives has the type that was thrown when that is a standard exception, one of mp's, or a
// type given to register_exception in both processes:
//
//     struct OutOfStock { std::string item; };
//     const bool registered = mp::register_exception<OutOfStock>();   // at namespace scope
//
// Everything else, `throw 42` too, arrives as RemoteError with the name of its type. In each case
// the object also is a RemoteInfo (mp::remote_info), unless its class is final.
//
// Threads:   all functions may be called from any thread.
// Processes: registering at namespace scope registers in every process, whatever its start method.
// Throws:    encoding throws only std::bad_alloc: an exception that cannot be described travels as
//            what is known of it. Decoding bytes that are no exception throws DecodeError.
// Python:    the pool's and managers' #TRACEBACK replies.
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "mp/base/bytes.hpp"
#include "mp/base/export.hpp"
#include "mp/codec/codec.hpp"
#include "mp/codec/types/string.hpp"
#include "mp/errors/remote_error.hpp"

namespace mp {

// Who throws; what the sender cannot say stays empty.
struct ExceptionOrigin {
  std::string process_name = {};
  int pid = 0;
  std::string stack = {};
};

// Returns the message that holds `error`. An exception that itself came from another process keeps
// the origin it has.
[[nodiscard]] MP_API Bytes encode_exception(const std::exception_ptr& error,
                                            const ExceptionOrigin& origin);
// Returns the exception that `message` holds.
[[nodiscard]] MP_API std::exception_ptr decode_exception(ByteView message);
// Throws the exception that `message` holds.
[[noreturn]] MP_API void rethrow_exception(ByteView message);

namespace detail {

// What is thrown in the receiving process in place of an E.
template <class E>
class Arrived final : public E, public RemoteInfo {
 public:
  Arrived(E error, RemoteInfo info) : E(std::move(error)), RemoteInfo{std::move(info)} {}
};

// How one registered type is written and made again.
struct MP_API ExceptionEntry {
  using Match = bool (*)(const std::type_info& type) noexcept;
  using Save = Bytes (*)(const std::exception_ptr& error, RemoteInfo& origin);
  using Load = std::exception_ptr (*)(ByteView saved, RemoteInfo origin);
  ExceptionEntry(const std::type_info& the_type, Match the_match, Save the_save,
                 Load the_load) noexcept;
  const std::type_info& type;
  Match matches;
  Save save;
  Load load;
  ExceptionEntry* next;
};

template <class E>
struct RegisteredException {
  static bool matches(const std::type_info& type) noexcept {
    if constexpr (!std::is_final_v<E>) {
      if (type == typeid(Arrived<E>)) {
        return true;
      }
    }
    return type == typeid(E);
  }

  // One that came from a third process keeps its origin.
  static Bytes save(const std::exception_ptr& error, RemoteInfo& origin) {
    if constexpr (std::is_final_v<E>) {
      return save_plain(error);
    } else {
      try {
        std::rethrow_exception(error);
      } catch (const Arrived<E>& e) {
        origin = e;
        return save_value(e);
      } catch (...) {
        return save_plain(error);
      }
    }
  }

  static std::exception_ptr load(ByteView saved, RemoteInfo origin) {
    if constexpr (std::is_final_v<E>) {
      return std::make_exception_ptr(load_value(saved));
    } else {
      return std::make_exception_ptr(Arrived<E>{load_value(saved), std::move(origin)});
    }
  }

 private:
  static Bytes save_plain(const std::exception_ptr& error) {
    try {
      std::rethrow_exception(error);
    } catch (const E& e) {
      return save_value(e);
    }
  }
  static Bytes save_value(const E& e) {
    if constexpr (Codable<E>) {
      return encode(e);
    } else {
      return encode(std::string{e.what()});
    }
  }
  static E load_value(ByteView saved) {
    if constexpr (Codable<E>) {
      return decode<E>(saved);
    } else {
      return E(decode<std::string>(saved));
    }
  }
};

template <class E>
inline ExceptionEntry exception_entry{typeid(E), &RegisteredException<E>::matches,
                                      &RegisteredException<E>::save, &RegisteredException<E>::load};

}  // namespace detail

// Lets exceptions of exactly the type E keep it. E is Codable, or made from and described by a
// text: E(std::string) and what(). Returns true, so that it can initialise a variable at namespace
// scope.
template <class E>
bool register_exception() noexcept {
  static_assert(Codable<E> || (std::is_constructible_v<E, std::string> &&
                               std::is_base_of_v<std::exception, E>),
                "mp can send an exception type when it is an aggregate of sendable members, has an "
                "mp::codec<E>, or derives from std::exception and is constructible from "
                "std::string.");
  (void)&detail::exception_entry<E>;
  return true;
}

}  // namespace mp
