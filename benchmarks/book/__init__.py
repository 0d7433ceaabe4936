# SPDX-License-Identifier: Apache-2.0
"""The benchmark book: runs the programs of benchmarks/ side by side and says how they compare."""
