#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# compare.sh PROGRAM [ROUNDS] — what a pool costs, on the search of topics.
#
# In each round, by turns: a pool of two processes does the whole search; then two independent
# serial processes, started at once, do half of it each. Both are timed from start to end, so the
# pool pays for its start, and a busy machine or shared cores slow both alike. The ratio is that of
# the throughputs; more than 1 means that the pool was faster. The last line has the median.
set -euo pipefail
program=${1:?compare.sh needs the program}
rounds=${2:-5}

# seconds COMMAND...: runs it, and says how long it took.
seconds() {
  local begin=$EPOCHREALTIME
  "$@" >/dev/null
  awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", b - a }'
}

halves() {
  "$program" --serial --share 1/2 &
  local first=$!
  "$program" --serial --share 2/2
  wait "$first"
}

pool() { "$program" --processes 2 --share 1/1; }

for ((round = 1; round <= rounds; ++round)); do
  if ((round % 2)); then
    a=$(seconds pool) b=$(seconds halves)
  else
    b=$(seconds halves) a=$(seconds pool)
  fi
  awk -v a="$a" -v b="$b" -v n="$round" 'BEGIN {
    printf "round %d: pool %.2f s, two serial halves %.2f s, ratio %.3f\n", n, a, b, b / a }'
done | awk '{ print; fflush(); r[NR] = $NF } END {
  for (i = 1; i <= NR; ++i) for (j = i + 1; j <= NR; ++j) if (r[j] < r[i]) { t = r[i]; r[i] = r[j]; r[j] = t }
  m = NR % 2 ? r[(NR + 1) / 2] : (r[NR / 2] + r[NR / 2 + 1]) / 2
  printf "median ratio %.3f of %d rounds\n", m, NR }'
