# SPDX-License-Identifier: BSD-3-Clause
"""L0: what knows nothing of Redis: memory, numbers, clock, hashing, patterns."""
