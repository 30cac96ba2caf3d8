"""L7: the table of directives, configuration files, CONFIG GET and SET."""
