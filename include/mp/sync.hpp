// SPDX-License-Identifier: Apache-2.0
// mp/sync.hpp — everything that processes wait for each other with.
#pragma once

#include "mp/sync/lock.hpp"
#include "mp/sync/rlock.hpp"
