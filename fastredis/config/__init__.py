# SPDX-License-Identifier: BSD-3-Clause
"""L7: the table of directives, configuration files, CONFIG GET and SET."""
