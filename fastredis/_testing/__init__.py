"""Python views of C code for unit tests; development builds only."""
