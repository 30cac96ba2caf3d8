"""L7: handlers of administrative commands, in Python; the log."""
