#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# An outside program that asks pkg-config for multiprocessing: build.sh COMPILER PREFIX OUTPUT
set -eu
PKG_CONFIG_PATH=$(find "$2" -type d -name pkgconfig)
export PKG_CONFIG_PATH
# shellcheck disable=SC2046  # flags are words
"$1" -std=c++20 -Wall -Wextra -Wpedantic -Werror "$(dirname "$0")/../main.cpp" -o "$3" \
  $(pkg-config --cflags --libs multiprocessing)
LD_LIBRARY_PATH=$(pkg-config --variable=libdir multiprocessing) "$3"
