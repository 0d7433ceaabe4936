// SPDX-License-Identifier: Apache-2.0
// mp/queue.hpp — queues between processes.
#pragma once

#include "mp/queue/joinable_queue.hpp"
#include "mp/queue/queue.hpp"
#include "mp/queue/raw_queue.hpp"
#include "mp/queue/simple_queue.hpp"
