// SPDX-License-Identifier: Apache-2.0
// mp/manager.hpp — objects that live in a server and are used from anywhere.
#pragma once

#include "mp/manager/containers.hpp"
#include "mp/manager/dict_proxy.hpp"
#include "mp/manager/element.hpp"
#include "mp/manager/item.hpp"
#include "mp/manager/list_proxy.hpp"
#include "mp/manager/manager.hpp"
#include "mp/manager/modifier.hpp"
#include "mp/manager/namespace_proxy.hpp"
#include "mp/manager/queue_proxy.hpp"
#include "mp/manager/raw_proxy.hpp"
#include "mp/manager/registry.hpp"
#include "mp/manager/served_as.hpp"
#include "mp/manager/shared_memory_manager.hpp"
#include "mp/manager/sync_proxies.hpp"
#include "mp/manager/value_proxy.hpp"
