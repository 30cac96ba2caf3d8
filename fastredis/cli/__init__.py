# SPDX-License-Identifier: BSD-3-Clause
"""The programs: fastredis-server, fastredis-benchmark."""
