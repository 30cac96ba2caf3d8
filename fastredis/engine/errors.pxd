# SPDX-License-Identifier: BSD-3-Clause
"""Error texts, each written once: clients match on them, so they are Redis's own."""

cdef extern from *:
    """
    #ifndef FASTREDIS_ERRORS_H
    #define FASTREDIS_ERRORS_H
    #define ERR_SYNTAX "ERR syntax error"
    #define ERR_WRONG_TYPE \
        "WRONGTYPE Operation against a key holding the wrong kind of value"
    #define ERR_NOT_INTEGER "ERR value is not an integer or out of range"
    #define ERR_NOT_FLOAT "ERR value is not a valid float"
    #define ERR_NO_KEY "ERR no such key"
    #define ERR_OVERFLOW "ERR increment or decrement would overflow"
    #define ERR_OUT_OF_RANGE "ERR index out of range"
    #define ERR_NAN_OR_INFINITY "ERR increment would produce NaN or Infinity"
    #define ERR_NO_MEMORY "ERR insufficient memory"
    #define ERR_STRING_TOO_LONG \
        "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
    #define ERR_NO_AUTH "NOAUTH Authentication required."
    #define ERR_WRONG_PASS \
        "WRONGPASS invalid username-password pair or user is disabled."
    #define ERR_NO_PROTO "NOPROTO unsupported protocol version"
    #define ERR_DB_RANGE "ERR DB index is out of range"
    #define ERR_SAME_OBJECT "ERR source and destination objects are the same"
    #define ERR_CURSOR "ERR invalid cursor"
    #define ERR_HASH_NOT_INTEGER "ERR hash value is not an integer"
    #define ERR_HASH_NOT_FLOAT "ERR hash value is not a float"
    #define ERR_VALUE_NAN "ERR value is NaN or Infinity"
    #define ERR_VALUE_RANGE "ERR value is out of range"
    #define ERR_NOT_IN_MULTI "ERR Command not allowed inside a transaction"
    #define ERR_EXEC_ABORT \
        "EXECABORT Transaction discarded because of previous errors."
    #define ERR_LOADING "LOADING Redis is loading the dataset in memory"
    #define ERR_NO_REPLICAS "NOREPLICAS Not enough good replicas to write."
    #define ERR_UNBLOCKED "UNBLOCKED client unblocked via CLIENT UNBLOCK"
    #define ERR_UNBLOCKED_BY_ROLE \
        "UNBLOCKED force unblock from blocking operation, instance state changed " \
        "(master -> replica?)"
    #define ERR_READ_ONLY \
        "READONLY You can't write against a read only replica."
    #define ERR_MASTER_DOWN \
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to " \
        "'no'."
    #define ERR_MISCONF \
        "MISCONF Redis is configured to save RDB snapshots, but it's currently " \
        "unable to persist to disk. Commands that may modify the data set are " \
        "disabled, because this instance is configured to report errors during " \
        "writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). " \
        "Please check the Redis logs for details about the RDB error."
    #endif
    """
    const char *ERR_SYNTAX
    const char *ERR_WRONG_TYPE
    const char *ERR_NOT_INTEGER
    const char *ERR_NOT_FLOAT
    const char *ERR_NO_KEY
    const char *ERR_OVERFLOW
    const char *ERR_OUT_OF_RANGE
    const char *ERR_NAN_OR_INFINITY
    const char *ERR_NO_MEMORY
    const char *ERR_STRING_TOO_LONG
    const char *ERR_NO_AUTH
    const char *ERR_WRONG_PASS
    const char *ERR_NO_PROTO
    const char *ERR_DB_RANGE
    const char *ERR_SAME_OBJECT
    const char *ERR_CURSOR
    const char *ERR_HASH_NOT_INTEGER
    const char *ERR_HASH_NOT_FLOAT
    const char *ERR_VALUE_NAN
    const char *ERR_VALUE_RANGE
    const char *ERR_NOT_IN_MULTI
    const char *ERR_EXEC_ABORT
    const char *ERR_LOADING
    const char *ERR_UNBLOCKED
    const char *ERR_UNBLOCKED_BY_ROLE
    const char *ERR_READ_ONLY
    const char *ERR_MASTER_DOWN
    const char *ERR_MISCONF
    const char *ERR_NO_REPLICAS
