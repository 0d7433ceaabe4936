// SPDX-License-Identifier: Apache-2.0
// mp/shared/shareable_list.hpp — a list of plain values in a named block, which Python reads and
// writes too.
//
//     mp::ShareableList list{7, 1.5, true, nullptr, std::string{"h\u00e9"}};
//     list.set(0, 8);
//     long seven = list.get<std::int64_t>(0);
//     ...
//     mp::ShareableList same{mp::open, list.shm().name()};
//
// The number of items and the room of each are fixed when the list is made: a string or bytes may
// later be replaced by one that fits into 8 * (size / 8 + 1) bytes, and any item by a number, a
// bool or nullptr. Strings are UTF-8 and measured in bytes. Indices below zero count from the end.
//
// Nothing in the block is believed: each offset is checked when the list is opened, each format at
// each access, and the bytes are read through the file, so a block that is garbage, or is made
// shorter meanwhile, is an exception.
//
// Threads:   a handle may be used by any number of threads. No lock: a get beside a set may see
// half
//            of it.
// Processes: as SharedMemory; copies share one mapping.
// Crash:     a process killed in set() may leave that item's format and value of two minds.
// Owns:      nothing: unlink the block by shm().unlink().
// Throws:    as SharedMemory; DecodeError for a block that holds no such list; TypeMismatch when
// the
//            item has another type; std::out_of_range for a bad index; UsageError for what does not
//            fit.
// Python:    multiprocessing.shared_memory.ShareableList, byte for byte. Python takes all zero
// bytes
//            at the end of a string for padding. Here they are kept, by a format that states the
//            exact length, but where the item fills its room to the last byte; into an item of that
//            kind Python 3.11 puts no longer one. Python before its fix of gh-145261 cuts strings
//            of several bytes a character that it lays down itself; here they are whole.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "mp/base/bytes.hpp"
#include "mp/base/export.hpp"
#include "mp/codec/traits.hpp"
#include "mp/codec/types/string.hpp"
#include "mp/shared/open_mode.hpp"
#include "mp/shared/shared_memory.hpp"

namespace mp {

namespace detail {
struct ListShape;
[[noreturn]] MP_API void throw_does_not_fit(const char* what);
[[noreturn]] MP_API void throw_other_item(const char* wanted, std::size_t kind);
}  // namespace detail

// What an item may be. nullptr is Python's None.
class ShareableItem
    : public std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, Bytes> {
 public:
  using Variant = std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, Bytes>;

  ShareableItem(std::nullptr_t = nullptr) : Variant{nullptr} {}  // NOLINT(google-explicit-*)
  template <std::same_as<bool> T>
  ShareableItem(T value) : Variant{value} {}  // NOLINT(google-explicit-constructor)
  // Throws UsageError above INT64_MAX.
  template <std::integral T>
  requires(!std::same_as<T, bool>) ShareableItem(T value)  // NOLINT(google-explicit-constructor)
      : Variant{static_cast<std::int64_t>(value)} {
    if (!std::in_range<std::int64_t>(value)) {
      detail::throw_does_not_fit("the number into 64 bits");
    }
  }
  template <std::floating_point T>
  ShareableItem(T value)  // NOLINT(google-explicit-constructor)
      : Variant{static_cast<double>(value)} {}
  ShareableItem(std::string value)  // NOLINT(google-explicit-constructor)
      : Variant{std::move(value)} {}
  ShareableItem(std::string_view value)  // NOLINT(google-explicit-constructor)
      : Variant{std::string{value}} {}
  ShareableItem(const char* value)  // NOLINT(google-explicit-constructor)
      : Variant{std::string{value}} {}
  ShareableItem(Bytes value)  // NOLINT(google-explicit-constructor)
      : Variant{std::move(value)} {}
};

class MP_API ShareableList {
 public:
  // A new list, in a block whose name is made up, or given.
  ShareableList(std::initializer_list<ShareableItem> items)
      : ShareableList{std::vector<ShareableItem>{items}} {}
  explicit ShareableList(const std::vector<ShareableItem>& items,
                         const SharedMemoryOptions& options = {});
  ShareableList(Create, const std::string& name, const std::vector<ShareableItem>& items,
                const SharedMemoryOptions& options = {});
  // The list in the block of that name.
  ShareableList(Open, const std::string& name);

  [[nodiscard]] std::size_t size() const noexcept;
  // A copy of an item: as what it is, or as a T, which is bool, an integer, a floating point
  // number, std::string, Bytes or std::nullptr_t.
  [[nodiscard]] ShareableItem get(std::ptrdiff_t index) const;
  template <class T>
  [[nodiscard]] T get(std::ptrdiff_t index) const {
    return as<T>(get(index));
  }
  void set(std::ptrdiff_t index, const ShareableItem& value) const;

  // How many items equal `value`, and the first that does. index() throws UsageError if none does.
  [[nodiscard]] std::size_t count(const ShareableItem& value) const;
  [[nodiscard]] std::size_t index(const ShareableItem& value) const;
  // The formats of all items, as Python's struct has them.
  [[nodiscard]] std::string format() const;
  // All items.
  [[nodiscard]] std::vector<ShareableItem> items() const;

  [[nodiscard]] SharedMemory& shm() noexcept { return shm_; }
  [[nodiscard]] const SharedMemory& shm() const noexcept { return shm_; }

 private:
  struct Slot;
  ShareableList(SharedMemory shm, const std::vector<ShareableItem>& items);
  void fill(const std::vector<ShareableItem>& items) const;
  [[nodiscard]] Slot slot(std::ptrdiff_t index) const;

  template <class T>
  static T as(ShareableItem&& item) {
    if constexpr (std::integral<T> && !std::same_as<T, bool>) {
      const auto* number = std::get_if<std::int64_t>(&item);
      if (number == nullptr) {
        detail::throw_other_item("int", item.index());
      }
      if (!std::in_range<T>(*number)) {
        detail::throw_does_not_fit("the number into the integer that is asked for");
      }
      return static_cast<T>(*number);
    } else {
      using Stored = std::conditional_t<std::floating_point<T>, double, T>;
      auto* stored = std::get_if<Stored>(&item);
      if (stored == nullptr) {
        detail::throw_other_item(std::floating_point<T> ? "float" : "another type", item.index());
      }
      return static_cast<T>(std::move(*stored));
    }
  }

  SharedMemory shm_;
  std::shared_ptr<const detail::ListShape> shape_;
};

template <>
struct codec<ShareableList> {
  static constexpr std::string_view kName = "mp.ShareableList";
  using Parts = CodecParts<std::string>;
  static void write(auto& out, const ShareableList& list) { mp::write(out, list.shm().name()); }
  static ShareableList read(Reader& in) { return {open, mp::read<std::string>(in)}; }
};

}  // namespace mp
