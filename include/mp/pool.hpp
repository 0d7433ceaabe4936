// SPDX-License-Identifier: Apache-2.0
// mp/pool.hpp — worker processes and the calls for them.
#pragma once

#include "mp/codec.hpp"
#include "mp/pool/as_completed.hpp"
#include "mp/pool/async_result.hpp"
#include "mp/pool/awaitable.hpp"
#include "mp/pool/fork_map.hpp"
#include "mp/pool/imap.hpp"
#include "mp/pool/insights.hpp"
#include "mp/pool/isolated.hpp"
#include "mp/pool/journal.hpp"
#include "mp/pool/options.hpp"
#include "mp/pool/outcome.hpp"
#include "mp/pool/pool.hpp"
#include "mp/pool/progress.hpp"
#include "mp/pool/raw_pool.hpp"
#include "mp/pool/resources.hpp"
#include "mp/pool/this_task.hpp"
#include "mp/pool/thread_pool.hpp"
#include "mp/pool/worker_calls.hpp"
#include "mp/pool/worker_state.hpp"
