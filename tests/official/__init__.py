# SPDX-License-Identifier: BSD-3-Clause
"""The official Tcl test suite of Redis 8.0.2, run against fastredis-server.

Nothing of the suite is kept here: it comes from Debian's source package when the
runner is started (obtain), is adapted in a working copy (adapt), and runs there
(harness). Its results are compared with the list of failures that are known and
have a reason (expected). The command is run.py.
"""
