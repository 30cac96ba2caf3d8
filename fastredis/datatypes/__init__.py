"""L3: operations on values, which know no client and no protocol."""
