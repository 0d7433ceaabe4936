// SPDX-License-Identifier: Apache-2.0
// mp/process/code_ref.hpp — the name of a piece of code, good in every process of the tree.
//
// An address means nothing in another process: the kernel maps each image where it likes. What is
// the same everywhere is the build of the image and the distance from its start. On the wire:
//
//     main executable   63 62      48 47            0
//                      +--+----------+---------------+     The processes of a tree run the same
//                      |0 |  check   |    offset     |     executable, which is verified when one
//                      +--+----------+---------------+     starts; the check is 15 bits of its
//                      build.
//
//     shared object    +--+----------+---------------+----------------+----------+- - - -+
//                      |1 |    0     |    offset     | build, 16 byte | length 8 | path  |
//                      +--+----------+---------------+----------------+----------+- - - -+
//
// A reader accepts an offset only into an executable segment of an image of exactly that build. An
// image that is not loaded yet, a plugin, is loaded from its path, and then must be of that build.
//
// Threads:   everything may be called from any thread.
// Processes: a peer that can make up references can run any code there is: trusted peers only.
// Owns:      an image that was named or resolved once stays loaded; dlclose no longer unloads it.
// Throws:    UsageError from writing an address that lies in no image's code; DecodeError, which
//            names the image, from reading a reference that cannot be resolved here.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mp/base/export.hpp"
#include "mp/codec/reader.hpp"
#include "mp/codec/writer.hpp"

namespace mp::detail {

// Writes the reference of the function at `code`.
MP_API void write_code(Writer& out, const void* code);
// Returns the function that a reference names.
[[nodiscard]] MP_API const void* read_code(Reader& in);
// The size of the reference of `code`.
[[nodiscard]] MP_API std::size_t code_size(const void* code);

inline void write_code(Sizer& out, const void* code) {
  out.add(code_size(code));
}

// A pointer to member function as the C++ ABI of Itanium lays it out.
struct MemberCode {
  std::uintptr_t function;  // an address, or what stands for a place in the table of virtual ones
  std::ptrdiff_t adjustment;

  // Whether this is a virtual function, of which only the place in the table is known.
  [[nodiscard]] bool is_virtual() const noexcept {
#if defined(__aarch64__) || defined(__arm__)
    return (adjustment & 1) != 0;
#else
    return (function & 1) != 0;
#endif
  }
};

MP_API void write_member_code(Writer& out, MemberCode member);
[[nodiscard]] MP_API MemberCode read_member_code(Reader& in);
[[nodiscard]] MP_API std::size_t member_code_size(MemberCode member);

inline void write_member_code(Sizer& out, MemberCode member) {
  out.add(member_code_size(member));
}

}  // namespace mp::detail
