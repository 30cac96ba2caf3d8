"""L1: one data structure per file; used by every layer above."""
