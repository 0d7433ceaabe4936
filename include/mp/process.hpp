// SPDX-License-Identifier: Apache-2.0
// mp/process.hpp — processes, and code that travels between them.
#pragma once

#include "mp/codec.hpp"
#include "mp/process/call.hpp"
#include "mp/process/current.hpp"
#include "mp/process/entry.hpp"
#include "mp/process/finalize.hpp"
#include "mp/process/fn.hpp"
#include "mp/process/partial.hpp"
#include "mp/process/process.hpp"
#include "mp/process/start_method.hpp"
