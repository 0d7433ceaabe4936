// SPDX-License-Identifier: Apache-2.0
// mp/manager/item.hpp — one value on its way to or from a manager's server.
//
// A server keeps values without knowing their types: as the tag of the type, the encoding, and the
// objects of the server that are named inside (nested proxies), which live as long as the value
// does. What it must know of a type to sort values of it, to add to one, or to tell Python of one
// is looked up by the tag, among the types for which the program that serves has instantiated a
// proxy.
//
// Python's values are items, too: those of the type pickle::Value. Whoever wants another type of
// them gets it by pickle::Convert, and the other way round.
//
// Threads:   a value.
// Processes: the tag and the encoding mean the same in every process that runs this version of mp.
// Throws:    TypeMismatch when an item of another type is taken; DecodeError.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "mp/base/bytes.hpp"
#include "mp/base/carrier.hpp"
#include "mp/base/export.hpp"
#include "mp/codec/codec.hpp"
#include "mp/codec/normalized.hpp"
#include "mp/codec/pickle.hpp"

namespace mp::detail {

// What a message between a client and a server carries beside bytes: proxies.
class MP_API ProxyCarrier : public Carrier {
 public:
  ~ProxyCarrier() override;
  // Notes that the message that is being written names the object `id` of the server at `address`.
  virtual void put_proxy(std::string_view address, std::uint64_t id);
  // The message that is being read names it. Returns whether this process has been counted as a
  // holder already.
  virtual bool take_proxy(std::string_view address, std::uint64_t id);
};

// A value that was encoded, with the objects it names.
struct EncodedItem {
  std::uint64_t tag = 0;
  std::vector<std::uint64_t> objects = {};
  Bytes bytes = {};
};

// A value where it lies in a message.
struct ItemView {
  std::uint64_t tag = 0;
  ByteView bytes = {};
};

struct ProxyToken;

// What a server must know of a type beyond its bytes. One for each type of the program's proxies,
// made during static initialisation.
struct MP_API ItemOps {
  // The order in which sort() would put `items`; ties stay as they are.
  using Sorted = std::vector<std::size_t> (*)(std::span<const ByteView> items, bool reverse);
  using Add = Bytes (*)(ByteView to, ByteView amount);
  using ToPython = pickle::Value (*)(ByteView value);
  using FromPython = Bytes (*)(const pickle::Value& value);
  // Throws TypeMismatch when the object is another one.
  using FromToken = Bytes (*)(const ProxyToken& token);

  ItemOps(std::uint64_t the_tag, Sorted the_sorted, Add the_add, ToPython the_to_python,
          FromPython the_from_python, FromToken the_from_token) noexcept;
  std::uint64_t tag;
  Sorted sorted;           // null: values have no order
  Add add;                 // null: no number
  ToPython to_python;      // null: Python has no such value
  FromPython from_python;  // with to_python
  FromToken from_token;    // null: no proxy
  ItemOps* next;
};

// Returns what is known of the type with `tag`, or nullptr.
[[nodiscard]] MP_API const ItemOps* find_item_ops(std::uint64_t tag) noexcept;

[[noreturn]] MP_API void throw_item_mismatch(std::uint64_t wanted, const ItemView& item);

template <class T>
T read_item_bytes(ByteView bytes, Carrier* carrier = nullptr) {
  Reader in{bytes, carrier};
  T value = mp::read<T>(in);
  in.expect_end();
  return value;
}

template <class T>
std::vector<std::size_t> sorted_items(std::span<const ByteView> items, bool reverse) {
  std::vector<T> values;
  values.reserve(items.size());
  for (const ByteView bytes : items) {
    values.push_back(read_item_bytes<T>(bytes));
  }
  std::vector<std::size_t> order(items.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return reverse ? values[b] < values[a] : values[a] < values[b];
  });
  return order;
}

template <class T>
Bytes item_bytes_of(const T& value, Carrier* carrier = nullptr) {
  Bytes bytes(encoded_size(value));
  Writer out{bytes, carrier};
  mp::write(out, value);
  return bytes;
}

template <class T>
Bytes added_items(ByteView to, ByteView amount) {
  T sum = read_item_bytes<T>(to);
  sum = static_cast<T>(sum + read_item_bytes<T>(amount));
  return item_bytes_of(sum);
}

template <class T>
concept Ordered = requires(const T& a, const T& b) {
  { a < b } -> std::convertible_to<bool>;
};

template <class T>
constexpr ItemOps::Sorted sorted_of() {
  if constexpr (Ordered<T>) {
    return &sorted_items<T>;
  } else {
    return nullptr;
  }
}

template <class T>
constexpr ItemOps::Add add_of() {
  if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
    return &added_items<T>;
  } else {
    return nullptr;
  }
}

template <class T>
pickle::Value item_to_python(ByteView bytes) {
  return pickle::from(read_item_bytes<T>(bytes));
}
template <class T>
Bytes item_from_python(const pickle::Value& value) {
  return item_bytes_of(pickle::to<T>(value));
}

template <class T>
constexpr ItemOps::ToPython to_python_of() {
  if constexpr (pickle::Picklable<T>) {
    return &item_to_python<T>;
  } else {
    return nullptr;
  }
}
template <class T>
constexpr ItemOps::FromPython from_python_of() {
  if constexpr (pickle::Picklable<T>) {
    return &item_from_python<T>;
  } else {
    return nullptr;
  }
}

// Of a proxy that does not say which face it has: what Python names.
inline constexpr std::uint64_t kAnyProxyTag = hash_text("mp.ProxyOfAnyType");

// Proxies have one of their own (raw_proxy.hpp).
template <class T>
struct FromTokenOf {
  static constexpr bool kExists = false;
  static constexpr ItemOps::FromToken kFunction = nullptr;
};

template <class T>
inline ItemOps item_ops{kTypeTag<T>,       sorted_of<T>(),      add_of<T>(),
                        to_python_of<T>(), from_python_of<T>(), FromTokenOf<T>::kFunction};

// Returns the Python value that an item is. Throws UsageError when this program does not know the
// item's type, or Python has no such value.
[[nodiscard]] MP_API pickle::Value python_value(const ItemView& item);

// Has the program know T; to be called by whatever speaks of T to a server.
template <class T>
constexpr std::uint64_t item_tag() {
  require_codable<T>();
  (void)&item_ops<T>;
  (void)&type_entry<T>;
  return kTypeTag<T>;
}

// Returns the T in `item`.
template <class T>
T item_value(const ItemView& item, Carrier* carrier = nullptr) {
  if (item.tag != item_tag<T>()) [[unlikely]] {
    if constexpr (FromTokenOf<T>::kExists) {
      if (item.tag == kAnyProxyTag) {
        return FromTokenOf<T>::read(item.bytes, carrier);
      }
    }
    if constexpr (std::is_same_v<T, pickle::Value>) {
      return python_value(item);
    } else if constexpr (pickle::Picklable<T>) {
      if (item.tag == kTypeTag<pickle::Value>) {
        return pickle::to<T>(read_item_bytes<pickle::Value>(item.bytes));
      }
    }
    throw_item_mismatch(kTypeTag<T>, item);
  }
  return read_item_bytes<T>(item.bytes, carrier);
}

}  // namespace mp::detail
