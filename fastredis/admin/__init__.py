# SPDX-License-Identifier: BSD-3-Clause
"""L7: handlers of administrative commands, in Python; the log."""
