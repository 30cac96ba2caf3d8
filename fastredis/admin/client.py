# SPDX-License-Identifier: BSD-3-Clause
"""CLIENT LIST, INFO, KILL and HELP.

A connection is described in one line, in the format and with the fields of Redis 8.
Every connection is that of the default user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastredis.admin.client_filters import Info, flags_of, read_filters
from fastredis.commands.spec.syntax import help_lines
from fastredis.resp.values import OK, ReplyError, Verbatim

if TYPE_CHECKING:
    from fastredis.resp.values import SimpleString

# --- Handlers ---------------------------------------------------------------------


def client_list(ctx: Any, *args: bytes) -> Verbatim:
    """Describe the connections, all or those that pass the filters.

    Raises: ReplyError for arguments that are no filter.
    """
    engine = ctx.server.engine
    infos = engine.clients()
    if args:
        filters = read_filters(ctx.server, args, kills=False)
        if filters.tests.keys() == {b"id"} and not filters.skips_me:
            found = map(engine.client, (i for i in filters.ids if i > 0))
            return _lines(info for info in found if info is not None)
        own_id = ctx.client.id if filters.skips_me else 0
        infos = [c for c in infos if c["id"] != own_id and filters.pass_(c)]
    return _lines(infos)


def client_info(ctx: Any) -> Verbatim:
    """Describe the connection that asks."""
    return _lines([ctx.describe_client()])


def client_kill(ctx: Any, *args: bytes) -> SimpleString | int:
    """Close the connection from an address, or those that pass all filters.

    The one that asks gets its reply before it is closed.
    Raises: ReplyError if no connection has the address, or for a bad filter.
    """
    engine = ctx.server.engine
    if len(args) == 1:
        address = args[0].decode("utf-8", "replace")
        victims = [c["id"] for c in engine.clients() if c["addr"] == address]
        if not victims:
            raise ReplyError("ERR No such client")
        engine.kill_clients(victims)
        return OK
    filters = read_filters(ctx.server, args, kills=True)
    own_id = 0 if filters.skips_me is False else ctx.client.id
    return int(
        engine.kill_clients(
            info["id"]
            for info in engine.clients()
            if info["id"] != own_id and filters.pass_(info)
        )
    )


def client_help(ctx: Any) -> list[SimpleString]:
    """Explain the subcommands."""
    return help_lines(ctx.server.specs["client"])


# --- Lines ------------------------------------------------------------------------


def _lines(infos: Any) -> Verbatim:
    """Return a line for each connection."""
    return Verbatim("".join([describe(info) + "\n" for info in infos]))


def describe(info: Info) -> str:
    """Return the line about a connection, without its end."""
    # nothing more is read from a connection that is about to be closed
    events = ("" if info["is_closing"] or info["is_fake"] else "r") + (
        "w" if info["wants_write"] else ""
    )
    return (
        f"id={info['id']} addr={info['addr']} laddr={info['laddr']} fd={info['fd']} "
        f"name={info['name']} age={info['age_ms'] // 1000} "
        f"idle={info['idle_ms'] // 1000} flags={flags_of(info)} db={info['db']} "
        f"sub={info['sub']} psub={info['psub']} ssub={info['ssub']} "
        f"multi={info['multi']} watch={info['watch']} "
        f"qbuf={info['qbuf']} qbuf-free={info['qbuf_free']} "
        f"argv-mem={info['argv_memory']} multi-mem={info['multi_memory']} "
        f"rbs={info['block']} rbp={info['output_peak']} "
        f"obl={info['obl']} oll={info['oll']} omem={info['omem']} "
        f"tot-mem={info['memory']} events={events} cmd={info['cmd']} user=default "
        f"redir={info['redirect']} resp={info['resp']} "
        f"lib-name={info['lib_name']} lib-ver={info['lib_ver']} io-thread=0 "
        f"tot-net-in={info['net_in']} tot-net-out={info['net_out']} "
        f"tot-cmds={info['commands']}"
    )
