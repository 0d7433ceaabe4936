// SPDX-License-Identifier: Apache-2.0
// mp/codec.hpp — values to bytes and back, for all the types that mp knows.
#pragma once

#include "mp/codec/codec.hpp"
#include "mp/codec/exception.hpp"
#include "mp/codec/types/array.hpp"
#include "mp/codec/types/chrono.hpp"
#include "mp/codec/types/deque.hpp"
#include "mp/codec/types/duck.hpp"
#include "mp/codec/types/error_code.hpp"
#include "mp/codec/types/forward_list.hpp"
#include "mp/codec/types/list.hpp"
#include "mp/codec/types/map.hpp"
#include "mp/codec/types/memory.hpp"
#include "mp/codec/types/optional.hpp"
#include "mp/codec/types/set.hpp"
#include "mp/codec/types/string.hpp"
#include "mp/codec/types/tuple.hpp"
#include "mp/codec/types/unordered_map.hpp"
#include "mp/codec/types/unordered_set.hpp"
#include "mp/codec/types/variant.hpp"
#include "mp/codec/types/vector.hpp"
