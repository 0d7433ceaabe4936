// SPDX-License-Identifier: Apache-2.0
// mp/sync.hpp — everything that processes wait for each other with.
#pragma once

#include "mp/sync/barrier.hpp"
#include "mp/sync/condition.hpp"
#include "mp/sync/event.hpp"
#include "mp/sync/lock.hpp"
#include "mp/sync/rlock.hpp"
#include "mp/sync/semaphore.hpp"
