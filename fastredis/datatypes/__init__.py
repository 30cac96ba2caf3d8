# SPDX-License-Identifier: BSD-3-Clause
"""L3: operations on values, which know no client and no protocol."""
