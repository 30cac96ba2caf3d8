# SPDX-License-Identifier: BSD-3-Clause
"""L7: a primary's changes are applied by its replicas.

history        which stream of changes made the data set, and how far
primary        replicas that attach, get the data set and follow
backlog        the stream, one copy for all of them
link           the way to a primary: wire, sync (data set), master_client (stream)
failover       a primary and a replica exchange their roles
commands       PSYNC, SYNC, REPLCONF, ROLE; link_commands: REPLICAOF; wait: WAIT
replication    puts them together
"""
