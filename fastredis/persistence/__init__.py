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
aof            the append-only file: its states, when it is rewritten
aof_folder     the files it consists of; aof_manifest, what names them
aof_file       changes, written to the last of them; aof_sync brings them to the disk
aof_replay     the files into the databases; aof_load, request by request
aof_rewrite    a base made of requests
cmd_waitaof    WAITAOF

Uses the types, the engine, and nothing of net.
"""
