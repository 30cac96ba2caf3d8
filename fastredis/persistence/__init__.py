# SPDX-License-Identifier: BSD-3-Clause
"""L7: values as bytes that outlive the process and travel between servers.

rdb_io    lengths, strings and numbers in the encoding of RDB files
rdb       values of every type, written and read
cmd_dump  DUMP and RESTORE

Uses the types, the engine, and nothing of net.
"""
