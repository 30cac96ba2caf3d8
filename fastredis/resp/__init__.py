# SPDX-License-Identifier: BSD-3-Clause
"""L1: the wire protocol: parser of requests, writer of replies, reply values."""
