# SPDX-License-Identifier: BSD-3-Clause
"""L2: key objects, databases, expiry, lazy freeing, scanning. Uses core and ds."""
