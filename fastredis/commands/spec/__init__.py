# SPDX-License-Identifier: BSD-3-Clause
"""Command declarations: data only, one module per group.

``model.py`` is the vocabulary, ``syntax.py`` writes a declaration out for people,
and every ``cmd_<group>.py`` beside them declares the commands of one group.
``fastredis.commands.registry`` finds those modules by their file names, so that a new
group needs no entry in a list.
"""
