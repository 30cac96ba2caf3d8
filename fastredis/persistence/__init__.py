# SPDX-License-Identifier: BSD-3-Clause
"""L7: values as bytes that outlive the process and travel between servers.

rdb_io         lengths, strings and numbers in the encoding of RDB files
rdb            values of every type, written and read; rdb_stream, rdb_listpack, ziplist
cmd_dump       DUMP and RESTORE
rdb_save       all databases into a file
rdb_child      the same in a forked child
rdb_load       a file into the databases, in steps
snapshots      when that is done, and what is said of it
save_commands  SAVE, BGSAVE, LASTSAVE
migrate        MIGRATE; migrate_keys

Uses the types, the engine, and nothing of net.
"""
