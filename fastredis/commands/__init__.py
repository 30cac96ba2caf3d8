"""L6: command declarations (spec/) and the handlers of data commands."""
