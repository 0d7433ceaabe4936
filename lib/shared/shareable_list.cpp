// SPDX-License-Identifier: Apache-2.0
#include "mp/shared/shareable_list.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <numeric>
#include <span>
#include <stdexcept>

#include "mp/errors/error.hpp"

#include "shared/list_shape.hpp"
#include "shared/shareable_list_layout.hpp"

namespace mp {

using layout::ListCode;
using layout::ListFormat;

namespace {

using FormatText = std::array<char, layout::kListFormat>;

constexpr std::array<const char*, 6> kItemNames = {"None", "bool", "int", "float", "str", "bytes"};

// The room that CPython gives: at least one byte more than is needed, for a zero.
std::uint64_t room_for(const ShareableItem& item) {
  const auto padded = [](std::size_t length) -> std::uint64_t {
    if (length / 8 * 8 + 8 > layout::kListLongest) {
      detail::throw_does_not_fit("a string of ten million bytes into a ShareableList");
    }
    return length / 8 * 8 + 8;
  };
  if (const auto* text = std::get_if<std::string>(&item)) {
    return padded(text->size());
  }
  if (const auto* bytes = std::get_if<Bytes>(&item)) {
    return padded(bytes->size());
  }
  return 8;
}

ByteView text_of(const ShareableItem& item) {
  if (const auto* text = std::get_if<std::string>(&item)) {
    return std::as_bytes(std::span{*text});
  }
  return std::get<Bytes>(item);
}

bool is_text(const ShareableItem& item) {
  return std::holds_alternative<std::string>(item) || std::holds_alternative<Bytes>(item);
}

ListCode code_of(const ShareableItem& item) {
  return std::holds_alternative<std::nullptr_t>(item) ? ListCode::none
         : std::holds_alternative<std::string>(item)  ? ListCode::text
         : std::holds_alternative<Bytes>(item)        ? ListCode::bytes
                                                      : ListCode::number;
}

FormatText format_of(const ShareableItem& item, std::uint64_t room) {
  FormatText format{};
  const auto write = [&](std::string_view text) { std::ranges::copy(text, format.begin()); };
  if (is_text(item)) {
    const ByteView text = text_of(item);
    const bool exact = !text.empty() && text.back() == std::byte{0};
    const std::uint64_t length = exact ? text.size() : room;
    char* end = std::to_chars(format.data(), format.data() + format.size(), length).ptr;
    *end = 's';
  } else if (std::holds_alternative<std::int64_t>(item)) {
    write("q");
  } else if (std::holds_alternative<double>(item)) {
    write("d");
  } else {
    write(std::holds_alternative<bool>(item) ? "xxxxxxx?" : "xxxxxx?x");
  }
  return format;
}

// The bytes of an item, for its room or the first eight of it.
Bytes data_of(const ShareableItem& item, std::uint64_t room) {
  Bytes data(is_text(item) ? room : 8, std::byte{0});
  if (is_text(item)) {
    const ByteView text = text_of(item);
    copy_bytes(data.data(), text.data(), text.size());
  } else if (const auto* number = std::get_if<std::int64_t>(&item)) {
    std::memcpy(data.data(), number, sizeof *number);
  } else if (const auto* real = std::get_if<double>(&item)) {
    std::memcpy(data.data(), real, sizeof *real);
  } else if (const auto* flag = std::get_if<bool>(&item)) {
    data[layout::kBoolByte] = std::byte{*flag};
  }
  return data;
}

std::vector<std::uint64_t> offsets_of(const std::vector<ShareableItem>& items) {
  std::vector<std::uint64_t> offsets{0};
  for (const ShareableItem& item : items) {
    offsets.push_back(offsets.back() + room_for(item));
  }
  return offsets;
}

std::size_t bytes_for(const std::vector<ShareableItem>& items) {
  return layout::ListPlaces{items.size(), offsets_of(items).back()}.size();
}

// What an item of a block is that was not made here, or not by an honest process.
ShareableItem decode_item(ByteView data, std::string_view format, ListCode code) {
  const auto parsed = layout::parse_list_format(format);
  if (!parsed || data.size() < 8) {
    throw DecodeError{"the block holds an item of a format that no ShareableList has"};
  }
  using Kind = ListFormat::Kind;
  const auto load = [&]<class T>(T value) {
    std::memcpy(&value, data.data(), sizeof value);
    return value;
  };
  if (parsed->kind == Kind::text) {
    if (parsed->length > data.size() || (code != ListCode::text && code != ListCode::bytes)) {
      throw DecodeError{"the block holds an item that is longer than its room, or of no type"};
    }
    ByteView text = data.first(parsed->length);
    if (parsed->length == data.size()) {
      while (!text.empty() && text.back() == std::byte{0}) {
        text = text.first(text.size() - 1);
      }
    }
    return code == ListCode::bytes ? ShareableItem{Bytes{text.begin(), text.end()}}
                                   : ShareableItem{std::string{
                                         reinterpret_cast<const char*>(text.data()), text.size()}};
  }
  switch (parsed->kind) {
    case Kind::integer:
      return load(std::int64_t{});
    case Kind::real:
      return load(double{});
    case Kind::boolean:
      return data[layout::kBoolByte] != std::byte{0};
    default:
      return nullptr;
  }
}

}  // namespace

namespace layout {

std::optional<ListFormat> parse_list_format(std::string_view format) noexcept {
  using Kind = ListFormat::Kind;
  format = format.substr(0, format.find('\0'));
  if (format == "q") {
    return ListFormat{Kind::integer};
  }
  if (format == "d") {
    return ListFormat{Kind::real};
  }
  if (format == "xxxxxxx?") {
    return ListFormat{Kind::boolean};
  }
  if (format == "xxxxxx?x") {
    return ListFormat{Kind::none};
  }
  std::uint64_t length = 0;
  const auto [end, error] = std::from_chars(format.data(), format.data() + format.size(), length);
  if (error != std::errc{} || end + 1 != format.data() + format.size() || *end != 's') {
    return {};
  }
  return ListFormat{Kind::text, length};
}

}  // namespace layout

namespace detail {

void throw_does_not_fit(const char* what) {
  throw UsageError{std::string{"cannot put "} + what};
}

void throw_other_item(const char* wanted, std::size_t kind) {
  throw TypeMismatch{wanted, kind < kItemNames.size() ? kItemNames[kind] : "nothing"};
}

ListShape read_list_shape(const SharedMemory& shm) {
  std::int64_t count = 0;
  const auto refuse = [] { throw DecodeError{"the block holds no ShareableList"}; };
  if (shm.size() < 2 * layout::kListWord) {
    refuse();
  }
  shm.read(0, std::as_writable_bytes(std::span{&count, 1}));
  // Each item takes an offset, eight bytes of data, a format and a code.
  constexpr std::size_t kLeast = layout::kListWord + layout::kListFormat + layout::kListCode;
  if (count < 0 || static_cast<std::uint64_t>(count) > (shm.size() - 16) / kLeast) {
    refuse();
  }
  ListShape shape;
  shape.offsets.resize(static_cast<std::size_t>(count) + 1);
  shm.read(layout::kListWord, std::as_writable_bytes(std::span{shape.offsets}));
  const bool rising = std::ranges::is_sorted(shape.offsets) && shape.offsets.front() == 0;
  if (!rising || shape.offsets.back() > shm.size() || shape.places().size() > shm.size()) {
    refuse();
  }
  return shape;
}

}  // namespace detail

// Where one item is.
struct ShareableList::Slot {
  std::uint64_t index;
  std::uint64_t data;
  std::uint64_t room;
};

ShareableList::ShareableList(const std::vector<ShareableItem>& items,
                             const SharedMemoryOptions& options)
    : ShareableList{SharedMemory{create, bytes_for(items), options}, items} {}

ShareableList::ShareableList(Create, const std::string& name,
                             const std::vector<ShareableItem>& items,
                             const SharedMemoryOptions& options)
    : ShareableList{SharedMemory{create, name, bytes_for(items), options}, items} {}

ShareableList::ShareableList(SharedMemory shm, const std::vector<ShareableItem>& items)
    : shm_{std::move(shm)},
      shape_{std::make_shared<detail::ListShape>(detail::ListShape{offsets_of(items)})} {
  try {
    fill(items);
  } catch (const OutOfMemory&) {
    shm_.unlink();
    throw;
  }
}

void ShareableList::fill(const std::vector<ShareableItem>& items) const {
  const layout::ListPlaces places = shape_->places();
  const auto put = [&](std::uint64_t at, const auto& bytes) {
    shm_.write(at, std::as_bytes(std::span{bytes}));
  };
  // The count last: until then the list is an empty one.
  put(layout::kListWord, shape_->offsets);
  for (std::uint64_t i = 0; i < items.size(); ++i) {
    const std::uint64_t room = shape_->offsets[i + 1] - shape_->offsets[i];
    put(places.data() + shape_->offsets[i], data_of(items[i], room));
    put(places.format(i), format_of(items[i], room));
    put(places.code(i), std::array{code_of(items[i])});
  }
  put(0, std::array{static_cast<std::int64_t>(items.size())});
}

ShareableList::ShareableList(Open, const std::string& name)
    : shm_{open, name},
      shape_{std::make_shared<detail::ListShape>(detail::read_list_shape(shm_))} {}

std::size_t ShareableList::size() const noexcept {
  return shape_->offsets.size() - 1;
}

ShareableList::Slot ShareableList::slot(std::ptrdiff_t index) const {
  const auto count = static_cast<std::ptrdiff_t>(size());
  const std::ptrdiff_t at = index < 0 ? index + count : index;
  if (at < 0 || at >= count) {
    throw std::out_of_range{"index " + std::to_string(index) + " is outside a ShareableList of " +
                            std::to_string(count)};
  }
  const auto i = static_cast<std::uint64_t>(at);
  return {.index = i,
          .data = shape_->places().data() + shape_->offsets[i],
          .room = shape_->offsets[i + 1] - shape_->offsets[i]};
}

ShareableItem ShareableList::get(std::ptrdiff_t index) const {
  const Slot at = slot(index);
  const layout::ListPlaces places = shape_->places();
  const std::uint64_t format_at = places.format(at.index) - at.data;
  const std::uint64_t code_at = places.code(at.index) - at.data;
  // All that belongs to the item, at one go where that is not far apart.
  constexpr std::size_t kNear = 4096;
  const bool near = code_at < kNear;
  Bytes bytes(near ? code_at + 1 : at.room);
  shm_.read(at.data, bytes);
  FormatText format{};
  auto code = ListCode::number;
  if (near) {
    std::memcpy(format.data(), bytes.data() + format_at, format.size());
    std::memcpy(&code, bytes.data() + code_at, sizeof code);
  } else {
    shm_.read(places.format(at.index), std::as_writable_bytes(std::span{format}));
    shm_.read(places.code(at.index), std::as_writable_bytes(std::span{&code, 1}));
  }
  return decode_item(ByteView{bytes}.first(at.room), {format.data(), format.size()}, code);
}

void ShareableList::set(std::ptrdiff_t index, const ShareableItem& value) const {
  const Slot at = slot(index);
  if (at.room < 8 || (is_text(value) && text_of(value).size() > at.room)) {
    detail::throw_does_not_fit("a longer item into the room of this one");
  }
  const FormatText format = format_of(value, at.room);
  const std::array<ListCode, 1> code{code_of(value)};
  shm_.write(shape_->places().format(at.index), std::as_bytes(std::span{format}));
  shm_.write(shape_->places().code(at.index), std::as_bytes(std::span{code}));
  shm_.write(at.data, data_of(value, at.room));
}

std::vector<ShareableItem> ShareableList::items() const {
  std::vector<ShareableItem> all;
  for (std::size_t i = 0; i < size(); ++i) {
    all.push_back(get(static_cast<std::ptrdiff_t>(i)));
  }
  return all;
}

std::size_t ShareableList::count(const ShareableItem& value) const {
  return static_cast<std::size_t>(std::ranges::count(items(), value));
}

std::size_t ShareableList::index(const ShareableItem& value) const {
  const std::vector<ShareableItem> all = items();
  const auto found = std::ranges::find(all, value);
  if (found == all.end()) {
    throw UsageError{"no item of the ShareableList has this value"};
  }
  return static_cast<std::size_t>(found - all.begin());
}

std::string ShareableList::format() const {
  std::string all;
  for (std::uint64_t i = 0; i < size(); ++i) {
    FormatText format{};
    shm_.read(shape_->places().format(i), std::as_writable_bytes(std::span{format}));
    all += std::string_view{format.data(), format.size()}.substr(
        0, std::string_view{format.data(), format.size()}.find('\0'));
  }
  return all;
}

}  // namespace mp
