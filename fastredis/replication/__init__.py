# SPDX-License-Identifier: BSD-3-Clause
"""Replication: a master's changes are applied by its replicas."""
