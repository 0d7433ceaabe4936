// SPDX-License-Identifier: Apache-2.0
// mp/connection.hpp — channels that carry messages between processes.
#pragma once

#include "mp/connection/connection.hpp"
#include "mp/connection/pipe.hpp"
