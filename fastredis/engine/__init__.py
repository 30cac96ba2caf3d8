"""L4: clients, the command table, execution of requests, statistics."""
