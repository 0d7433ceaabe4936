// SPDX-License-Identifier: Apache-2.0
// mp/shared.hpp — data that processes share.
#pragma once

#include "mp/shared/array.hpp"
#include "mp/shared/buffer.hpp"
#include "mp/shared/constant.hpp"
#include "mp/shared/shareable_list.hpp"
#include "mp/shared/shared_memory.hpp"
#include "mp/shared/value.hpp"
