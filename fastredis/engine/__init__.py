# SPDX-License-Identifier: BSD-3-Clause
"""L4: clients, the command table, execution of requests, statistics."""
