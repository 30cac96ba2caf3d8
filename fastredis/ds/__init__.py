# SPDX-License-Identifier: BSD-3-Clause
"""L1: one data structure per file; used by every layer above."""
