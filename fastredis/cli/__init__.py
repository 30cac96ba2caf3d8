"""The programs: fastredis-server, fastredis-benchmark."""
