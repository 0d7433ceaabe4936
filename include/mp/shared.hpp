// SPDX-License-Identifier: Apache-2.0
// mp/shared.hpp — data that processes share.
#pragma once

#include "mp/shared/array.hpp"
#include "mp/shared/value.hpp"
