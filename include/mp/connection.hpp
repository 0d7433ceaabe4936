// SPDX-License-Identifier: Apache-2.0
// mp/connection.hpp — channels that carry messages between processes.
#pragma once

#include "mp/connection/address.hpp"
#include "mp/connection/client.hpp"
#include "mp/connection/connection.hpp"
#include "mp/connection/file_descriptor.hpp"
#include "mp/connection/listener.hpp"
#include "mp/connection/loan.hpp"
#include "mp/connection/pipe.hpp"
#include "mp/connection/tls_options.hpp"
#include "mp/connection/wait.hpp"
