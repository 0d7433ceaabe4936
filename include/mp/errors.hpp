// SPDX-License-Identifier: Apache-2.0
// mp/errors.hpp — everything mp throws.
#pragma once

#include "mp/errors/errc.hpp"
#include "mp/errors/error.hpp"
#include "mp/errors/remote_error.hpp"
