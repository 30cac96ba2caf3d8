"""L1: the wire protocol: parser of requests, writer of replies, reply values."""
