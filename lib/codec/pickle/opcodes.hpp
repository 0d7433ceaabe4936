// SPDX-License-Identifier: Apache-2.0
// codec/pickle/opcodes.hpp — the instructions of pickles, protocols 0 to 5.
#pragma once

#include <cstdint>

namespace mp::pickle {

enum class Op : std::uint8_t {
  mark = '(',
  stop = '.',
  pop = '0',
  pop_mark = '1',
  dup = '2',
  // Protocols 0 and 1.
  float_text = 'F',
  int_text = 'I',
  long_text = 'L',
  string_text = 'S',
  unicode_text = 'V',
  binstring = 'T',
  short_binstring = 'U',
  global = 'c',
  inst = 'i',
  obj = 'o',
  dict = 'd',
  list = 'l',
  append = 'a',
  setitem = 's',
  get_text = 'g',
  put_text = 'p',
  none = 'N',
  binint = 'J',
  binint1 = 'K',
  binint2 = 'M',
  binfloat = 'G',
  binunicode = 'X',
  reduce = 'R',
  build = 'b',
  tuple = 't',
  empty_tuple = ')',
  empty_list = ']',
  empty_dict = '}',
  appends = 'e',
  setitems = 'u',
  binget = 'h',
  long_binget = 'j',
  binput = 'q',
  long_binput = 'r',
  // Protocol 2.
  proto = 0x80,
  newobj = 0x81,
  tuple1 = 0x85,
  tuple2 = 0x86,
  tuple3 = 0x87,
  newtrue = 0x88,
  newfalse = 0x89,
  long1 = 0x8a,
  long4 = 0x8b,
  // Protocol 3.
  binbytes = 'B',
  short_binbytes = 'C',
  // Protocol 4.
  short_binunicode = 0x8c,
  binunicode8 = 0x8d,
  binbytes8 = 0x8e,
  empty_set = 0x8f,
  additems = 0x90,
  frozenset = 0x91,
  newobj_ex = 0x92,
  stack_global = 0x93,
  memoize = 0x94,
  frame = 0x95,
  // Protocol 5.
  bytearray8 = 0x96,
};

}  // namespace mp::pickle
