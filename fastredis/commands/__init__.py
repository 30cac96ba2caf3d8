# SPDX-License-Identifier: BSD-3-Clause
"""L6: command declarations (spec/) and the handlers of data commands."""
