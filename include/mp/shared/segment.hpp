// SPDX-License-Identifier: Apache-2.0
// mp/shared/segment.hpp — named shared memory with a heap, containers and named objects in it, for
// programs that know of each other by nothing but the name. Not part of mp/mp.hpp: Boost's headers
// cost every user a second of compile time.
//
//     mp::Segment segment{mp::open_or_create, "scores", 1 << 20};
//     std::scoped_lock hold{segment};
//     auto& scores = segment.find_or_construct<mp::shared_vector<int>>("all");
//     scores.push_back(7);
//
// The first to come makes the segment, whole, before anybody sees it. Containers hold elements that
// mean the same in every process: plain data, or containers of this kind, which then want
// segment.allocator() in their constructors, as Boost.Interprocess's do.
//
// Threads:   hold the segment's lock while using what is in it. It is recursive, and a
// TimedLockable. Processes: any that may open the file. A handle can be an argument or a message,
// by name. Fork:      an inherited handle works; a child never holds its parent's lock. Crash:
// whoever is killed while it holds the lock, or in the heap, leaves memory that nobody can
//            judge: from then on everybody gets SegmentBroken, for ever. unlink() it and begin
//            anew.
// Owns:      the mapping. The segment lasts until unlink(), or until the last tree of processes
//            that used it is gone (with `track`, see SharedMemory).
// Blocks:    lock(), find, find_or_construct and destroy, until the lock is free.
// Throws:    SegmentBroken; OutOfMemory where the segment is full, also from its containers;
//            UsageError for a bad name or size; DecodeError for a file that is no Segment;
//            TypeMismatch for an object of another type; OsError as SharedMemory.
// Python:    there is nothing like it; a Manager comes nearest.
#pragma once

#include <boost/container/map.hpp>
#include <boost/container/string.hpp>
#include <boost/container/vector.hpp>
#include <boost/container_hash/hash.hpp>
#include <boost/interprocess/managed_external_buffer.hpp>
#include <boost/interprocess/offset_ptr.hpp>
#include <boost/unordered_map.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "mp/base/deadline.hpp"
#include "mp/codec/traits.hpp"
#include "mp/codec/types/string.hpp"
#include "mp/shared/raw_segment.hpp"

namespace mp {

namespace detail {

using SegmentBuffer = boost::interprocess::basic_managed_external_buffer<
    char, boost::interprocess::rbtree_best_fit<SegmentMutexFamily>,
    boost::interprocess::iset_index>;
using SegmentHeap = SegmentBuffer::segment_manager;

}  // namespace detail

// Allocates from a segment's heap.
template <class T>
class SharedAllocator {
 public:
  using value_type = T;
  using pointer = boost::interprocess::offset_ptr<T>;

  explicit SharedAllocator(detail::SegmentHeap* heap) noexcept : heap_{heap} {}
  template <class U>
  SharedAllocator(const SharedAllocator<U>& other) noexcept  // NOLINT(google-explicit-constructor)
      : heap_{other.heap()} {}

  [[nodiscard]] pointer allocate(std::size_t count) {
    std::size_t bytes = 0;
    void* memory = nullptr;
    if (!__builtin_mul_overflow(count, sizeof(T), &bytes)) {
      memory = heap_->allocate_aligned(bytes, alignof(T) < 16 ? 16 : alignof(T), std::nothrow);
    }
    if (memory == nullptr) {
      detail::throw_segment_full(bytes);
    }
    return pointer{static_cast<T*>(memory)};
  }
  void deallocate(const pointer& memory, std::size_t) { heap_->deallocate(memory.get()); }
  [[nodiscard]] detail::SegmentHeap* heap() const noexcept { return heap_.get(); }

  template <class U>
  friend bool operator==(const SharedAllocator& a, const SharedAllocator<U>& b) noexcept {
    return a.heap() == b.heap();
  }

 private:
  boost::interprocess::offset_ptr<detail::SegmentHeap> heap_;
};

// NOLINTBEGIN(readability-identifier-naming): as the containers that they are
template <class T>
using shared_vector = boost::container::vector<T, SharedAllocator<T>>;
using shared_string =
    boost::container::basic_string<char, std::char_traits<char>, SharedAllocator<char>>;
template <class K, class V, class Less = std::less<K>>
using shared_map = boost::container::map<K, V, Less, SharedAllocator<std::pair<const K, V>>>;
template <class K, class V, class Hash = boost::hash<K>, class Equal = std::equal_to<K>>
using shared_unordered_map =
    boost::unordered_map<K, V, Hash, Equal, SharedAllocator<std::pair<const K, V>>>;
// NOLINTEND(readability-identifier-naming)

class Segment {
 public:
  Segment(Create, const std::string& name, std::size_t size,
          const SharedMemoryOptions& options = {})
      : Segment{std::make_shared<detail::RawSegment>(create, name, size, options, &build)} {}
  Segment(Open, const std::string& name)
      : Segment{std::make_shared<detail::RawSegment>(open, name)} {}
  // `size` counts only for who makes it.
  Segment(OpenOrCreate, const std::string& name, std::size_t size,
          const SharedMemoryOptions& options = {})
      : Segment{std::make_shared<detail::RawSegment>(open_or_create, name, size, options, &build)} {
  }

  // The object of that name, made from `args` (and an allocator, if a T takes one) if there is
  // none. It stays where it is until destroy().
  template <class T, class... Args>
  T& find_or_construct(const std::string& name, Args&&... args) const {
    const Hold hold{*this};
    if (T* found = find<T>(name)) {
      return *found;
    }
    return *make<T>(name, std::forward<Args>(args)...);
  }
  // Null if there is none.
  template <class T>
  [[nodiscard]] T* find(const std::string& name) const {
    const Hold hold{*this};
    const std::uint64_t* type = buffer_->find<std::uint64_t>(type_key(name).c_str()).first;
    if (type == nullptr) {
      return nullptr;
    }
    if (*type != type_number<T>()) {
      detail::throw_other_type(name.c_str());
    }
    return buffer_->find<T>(value_key(name).c_str()).first;
  }
  // Returns whether there was one.
  template <class T>
  bool destroy(const std::string& name) const {
    const Hold hold{*this};
    if (find<T>(name) == nullptr) {
      return false;
    }
    buffer_->destroy<std::uint64_t>(type_key(name).c_str());
    return buffer_->destroy<T>(value_key(name).c_str());
  }

  // For the constructors of containers inside containers, and of shared_string.
  [[nodiscard]] SharedAllocator<char> allocator() const noexcept {
    return SharedAllocator<char>{buffer_->get_segment_manager()};
  }

  // Each looks whether the file is as long as it was, which takes a call of the system.
  void lock() const { static_cast<void>(raw_->acquire(Deadline::never())); }
  bool try_lock() const { return raw_->acquire(Deadline::now()); }
  bool try_lock_for(Deadline limit) const { return raw_->acquire(limit); }
  void unlock() const noexcept { raw_->mutex().unlock(); }

  [[nodiscard]] const std::string& name() const noexcept { return raw_->name(); }
  [[nodiscard]] std::size_t size() const noexcept { return raw_->bytes().size(); }
  [[nodiscard]] std::size_t free_memory() const {
    const Hold hold{*this};
    return buffer_->get_free_memory();
  }
  // Throws SegmentBroken if somebody made the file shorter, as lock() does. What is cut off while
  // the lock is held is a SIGBUS to whoever touches it then, as in every mapped file.
  void check() const { raw_->check(); }
  void unlink() const { raw_->unlink(); }

 private:
  static constexpr std::size_t kAlignment = 16;  // of Boost's heap

  class Hold {
   public:
    explicit Hold(const Segment& segment) : segment_{segment} { segment_.lock(); }
    ~Hold() { segment_.unlock(); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    const Segment& segment_;
  };

  explicit Segment(std::shared_ptr<detail::RawSegment> raw)
      : raw_{std::move(raw)},
        buffer_{std::make_shared<detail::SegmentBuffer>(
            boost::interprocess::open_only, raw_->bytes().data(), raw_->bytes().size())} {}

  static void build(MutableByteView bytes) {
    const detail::SegmentBuffer made{boost::interprocess::create_only, bytes.data(), bytes.size()};
  }
  static std::string type_key(const std::string& name) { return "t:" + name; }
  static std::string value_key(const std::string& name) { return "v:" + name; }
  // The same from g++ and clang: both mangle by one rule.
  template <class T>
  static std::uint64_t type_number() {
    std::uint64_t hash = 0xcbf29ce484222325ULL ^ sizeof(T);
    for (const char each : std::string_view{typeid(T).name()}) {
      hash = (hash ^ static_cast<unsigned char>(each)) * 0x100000001b3ULL;
    }
    return hash;
  }
  // The value, then the note of its type, which is what find() believes in.
  template <class T, class... Args>
  T* make(const std::string& name, Args&&... args) const {
    try {
      T* value = construct<T>(value_key(name), std::forward<Args>(args)...);
      buffer_->construct<std::uint64_t>(type_key(name).c_str())(type_number<T>());
      return value;
    } catch (const boost::interprocess::bad_alloc&) {
      buffer_->destroy<T>(value_key(name).c_str());
      detail::throw_segment_full(sizeof(T));
    }
  }
  template <class T, class... Args>
  T* construct(const std::string& key, Args&&... args) const {
    static_assert(alignof(T) <= kAlignment,
                  "a Segment aligns what it constructs by name to 16 bytes, and this type wants "
                  "more; put it into a shared_vector, which is aligned as its elements want.");
    if constexpr (std::is_constructible_v<T, Args..., SharedAllocator<char>>) {
      return buffer_->construct<T>(key.c_str())(std::forward<Args>(args)..., allocator());
    } else {
      return buffer_->construct<T>(key.c_str())(std::forward<Args>(args)...);
    }
  }

  std::shared_ptr<detail::RawSegment> raw_;
  std::shared_ptr<detail::SegmentBuffer> buffer_;
};

template <>
struct codec<Segment> {
  static constexpr std::string_view kName = "mp.Segment";
  using Parts = CodecParts<std::string>;
  static void write(auto& out, const Segment& segment) { mp::write(out, segment.name()); }
  static Segment read(Reader& in) { return {open, mp::read<std::string>(in)}; }
};

}  // namespace mp
