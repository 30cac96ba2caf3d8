# SPDX-License-Identifier: BSD-3-Clause
"""What the tests share: servers as child processes, a strict client, waiting.

- ``server``: FastredisServer and GenuineServer, each with a directory of its own
- ``client``: RawClient, a blocking client that sends exactly what it is told
- ``replies``: the reply types of RESP2 and RESP3, kept apart, and their parser
- ``wait``: wait_until, in place of sleeping

There is no test here. Tests import it as ``support``: pytest's path holds ``tests/``.
"""
