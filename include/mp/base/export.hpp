// SPDX-License-Identifier: Apache-2.0
// mp/base/export.hpp — marks what the shared library exports.
//
// mp is compiled with hidden visibility; only what carries MP_API can be linked from outside. The
// macro says nothing about layout and has one meaning everywhere.
#pragma once

#define MP_API __attribute__((visibility("default")))
