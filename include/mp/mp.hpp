// SPDX-License-Identifier: Apache-2.0
// mp/mp.hpp — all of mp.
#pragma once

#include "mp/base/version.hpp"
#include "mp/codec.hpp"
#include "mp/connection.hpp"
#include "mp/errors.hpp"
#include "mp/log.hpp"
#include "mp/manager.hpp"
#include "mp/pool.hpp"
#include "mp/process.hpp"
#include "mp/queue.hpp"
#include "mp/shared.hpp"
#include "mp/sync.hpp"
