# SPDX-License-Identifier: BSD-3-Clause
"""Python views of C code for unit tests; development builds only."""
