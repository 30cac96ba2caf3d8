# SPDX-License-Identifier: BSD-3-Clause
"""TLS: certificates, who may connect, protocols, and changes while the server runs.

The certificates are made by the program openssl when the tests begin.
"""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastredis.net.tls import TlsError, client_context, server_context
from support.client import encode
from support.genuine import run_refused, server_path
from support.server import FastredisServer, free_port
from support.wait import wait_until

Fresh = Callable[..., FastredisServer]

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")

SECRET = "a b\u00e9"
DEFAULTS: dict[str, Any] = {
    "tls-cert-file": "", "tls-key-file": "", "tls-key-file-pass": "",
    "tls-client-cert-file": "", "tls-client-key-file": "",
    "tls-client-key-file-pass": "", "tls-dh-params-file": "", "tls-ca-cert-file": "",
    "tls-ca-cert-dir": "", "tls-auth-clients": "yes", "tls-protocols": "",
    "tls-ciphers": "", "tls-ciphersuites": "", "tls-prefer-server-ciphers": False,
    "tls-session-caching": True, "tls-session-cache-size": 20480,
    "tls-session-cache-timeout": 300,
}  # fmt: skip


def openssl(folder: Path, *args: str) -> None:
    subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)


def make_key_pair(folder: Path, name: str) -> None:
    """Make NAME.key and NAME.crt, signed by ca.key."""
    common = ("-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}")
    openssl(folder, "req", *common, "-keyout", f"{name}.key", "-out", f"{name}.csr")
    signing = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
    files = ("-in", f"{name}.csr", "-out", f"{name}.crt")
    openssl(folder, "x509", "-req", *files, *signing)


@pytest.fixture(scope="session")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an authority, two servers, a client, and strangers."""
    folder = tmp_path_factory.mktemp("certs")
    for name in ("ca", "other"):
        openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out",
                f"{name}.crt")  # fmt: skip
    for name in ("server", "second", "client"):
        make_key_pair(folder, name)
    openssl(folder, "rsa", "-in", "server.key", "-aes128", "-passout",
            f"pass:{SECRET}", "-out", "locked.key")  # fmt: skip
    return folder


def options(certs: Path, **more: object) -> dict[str, object]:
    """Return the directives of a server with TLS beside its plain port."""
    return {
        "tls_port": free_port(),
        "tls_cert_file": str(certs / "server.crt"),
        "tls_key_file": str(certs / "server.key"),
        "tls_ca_cert_file": str(certs / "ca.crt"),
        **more,
    }


def connect(
    server: FastredisServer,
    certs: Path,
    own: str = "client",
    *,
    port: int = 0,
    **context: Any,
) -> ssl.SSLSocket:
    """Connect to the server's TLS port; own: the certificate to show, or none."""
    settings = ssl.create_default_context(cafile=str(certs / "ca.crt"))
    settings.check_hostname = False
    if own:
        settings.load_cert_chain(certs / f"{own}.crt", certs / f"{own}.key")
    for name, value in context.items():
        if name == "ciphers":
            settings.set_ciphers(value)
        else:
            setattr(settings, name, value)
    at = ("127.0.0.1", port or int(server.config["tls-port"]))
    return settings.wrap_socket(socket.create_connection(at, timeout=20))


def ping(sock: ssl.SSLSocket) -> bool:
    """Return whether the server answers; a refused certificate shows only now."""
    try:
        sock.sendall(b"PING\r\n")
        return sock.recv(100) == b"+PONG\r\n"
    except (ssl.SSLError, ConnectionError):
        return False


def name_of(sock: ssl.SSLSocket) -> str:
    """Return the name in the server's certificate."""
    subject: Any = (sock.getpeercert() or {})["subject"]
    return str(dict(pair[0] for pair in subject)["commonName"])


def read_exactly(sock: ssl.SSLSocket, nbytes: int) -> bytes:
    data = bytearray()
    while len(data) < nbytes:
        part = sock.recv(65536)
        assert part
        data += part
    return bytes(data)


# --- Connections ------------------------------------------------------------------


@pytest.mark.parametrize("road", ["auto", "uvloop"])
def test_commands(fresh_server: Fresh, certs: Path, road: str) -> None:
    server = fresh_server(net_transport=road, **options(certs))
    assert "Ready to accept connections tls" in server.stdout()
    with connect(server, certs) as sock:
        assert ping(sock)
        value = bytes(range(256)) * 4096
        sock.sendall(encode(["SET", "key", value]) + encode(["GET", "key"]) * 3)
        reply = b"$%d\r\n%b\r\n" % (len(value), value)
        assert read_exactly(sock, 5 + 3 * len(reply)) == b"+OK\r\n" + reply * 3
        sock.sendall(encode(["CLIENT", "INFO"]))
        assert f"laddr=127.0.0.1:{server.config['tls-port']} ".encode() in sock.recv(
            999
        )
    assert server.client().cmd("STRLEN", "key") == 1024 * 1024


def test_many_small_commands(fresh_server: Fresh, certs: Path) -> None:
    server = fresh_server(**options(certs))
    with connect(server, certs) as sock:
        for _ in range(20):
            sock.sendall(encode(["INCR", "counter"]) * 500)
        data = b""
        while not data.endswith(b":10000\r\n"):
            part = sock.recv(65536)
            assert part
            data += part
    assert data == b"".join(b":%d\r\n" % i for i in range(1, 10_001))


def test_plain_client_on_the_tls_port(fresh_server: Fresh, certs: Path) -> None:
    server = fresh_server(**options(certs))
    port = int(server.config["tls-port"])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        sock.sendall(b"PING\r\n" * 10)
        assert b"PONG" not in sock.recv(100)
    wait_until(lambda: "Error accepting a client connection" in server.log())
    assert server.client().cmd("PING") == "PONG"


def test_client_that_says_nothing(fresh_server: Fresh, certs: Path) -> None:
    # it is no client until it has made itself known, and stops nobody
    server = fresh_server(**options(certs))
    port = int(server.config["tls-port"])
    with socket.create_connection(("127.0.0.1", port)):
        client = server.client()
        assert client.info("clients")["connected_clients"] == "1"
        with connect(server, certs) as sock:
            assert ping(sock)
        client.close()
        server.stop()
        assert "BUG REPORT" not in server.log()


def test_maxclients(fresh_server: Fresh, certs: Path) -> None:
    server = fresh_server(maxclients=1, **options(certs))
    client = server.client()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect(server, certs)
    client.close()

    def is_served() -> bool:
        try:
            with connect(server, certs) as sock:
                return ping(sock)
        except (ssl.SSLError, ConnectionError):
            return False

    wait_until(is_served)


def test_only_tls(fresh_server: Fresh, certs: Path) -> None:
    server = fresh_server("--port", "0", start=False, **options(certs))
    server.spawn()
    wait_until(lambda: "Ready to accept connections tls" in server.stdout(), 30)
    assert "connections tcp" not in server.stdout()
    with connect(server, certs) as sock:
        assert ping(sock)


# --- Who may connect --------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "without", "stranger"),
    [("yes", False, False), ("optional", True, False), ("no", True, True)],
)
def test_auth_clients(
    fresh_server: Fresh, certs: Path, mode: str, without: bool, stranger: bool
) -> None:
    server = fresh_server(**options(certs, tls_auth_clients=mode))
    for own, expected in (("client", True), ("", without), ("other", stranger)):
        try:
            with connect(server, certs, own) as sock:
                assert ping(sock) == expected, own
        except (ssl.SSLError, ConnectionError):
            assert not expected, own


def test_folder_of_authorities(
    fresh_server: Fresh, certs: Path, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_bytes((certs / "ca.crt").read_bytes())
    openssl(tmp_path, "rehash", str(tmp_path))
    server = fresh_server(
        **options(certs, tls_ca_cert_file="", tls_ca_cert_dir=str(tmp_path))
    )
    with connect(server, certs) as sock:
        assert ping(sock)


# --- Settings ---------------------------------------------------------------------


def test_key_with_a_password(fresh_server: Fresh, certs: Path) -> None:
    server = fresh_server(
        **options(
            certs,
            tls_key_file=str(certs / "locked.key"),
            tls_key_file_pass=SECRET,
        )
    )
    with connect(server, certs) as sock:
        assert ping(sock)


@pytest.mark.parametrize(
    ("protocols", "version"),
    [
        ("TLSv1.2", "TLSv1.2"),
        ("tlsv1.3", "TLSv1.3"),
        ("TLSv1.2 TLSv1.3", "TLSv1.3"),
        ("", "TLSv1.3"),
    ],
)
def test_protocols(
    fresh_server: Fresh, certs: Path, protocols: str, version: str
) -> None:
    server = fresh_server(**options(certs, tls_protocols=protocols))
    with connect(server, certs) as sock:
        assert sock.version() == version
        assert ping(sock)
    if protocols.lower() == "tlsv1.3":
        with pytest.raises((ssl.SSLError, ConnectionError)):
            connect(server, certs, maximum_version=ssl.TLSVersion.TLSv1_2)


def test_ciphers(fresh_server: Fresh, certs: Path) -> None:
    name = "ECDHE-RSA-AES128-GCM-SHA256"
    server = fresh_server(
        **options(
            certs, tls_ciphers=name, tls_ciphersuites="TLS_CHACHA20_POLY1305_SHA256"
        )
    )
    with connect(server, certs) as sock:
        assert (sock.cipher() or ("",))[0] == "TLS_CHACHA20_POLY1305_SHA256"
    older = ssl.TLSVersion.TLSv1_2
    with connect(server, certs, maximum_version=older) as sock:
        assert (sock.cipher() or ("",))[0] == name
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect(
            server, certs, maximum_version=older, ciphers="ECDHE-RSA-AES256-GCM-SHA384"
        )


@pytest.mark.parametrize("prefers", [True, False])
def test_prefer_server_ciphers(fresh_server: Fresh, certs: Path, prefers: bool) -> None:
    first, second = "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"
    server = fresh_server(
        **options(
            certs,
            tls_ciphers=f"{first}:{second}",
            tls_prefer_server_ciphers=prefers,
        )
    )
    with connect(
        server,
        certs,
        maximum_version=ssl.TLSVersion.TLSv1_2,
        ciphers=f"{second}:{first}",
    ) as sock:
        assert (sock.cipher() or ("",))[0] == (first if prefers else second)


@pytest.mark.parametrize("caches", [True, False])
def test_session_caching(fresh_server: Fresh, certs: Path, caches: bool) -> None:
    server = fresh_server(
        **options(
            certs,
            tls_session_caching=caches,
            tls_session_cache_size=5000,
            tls_session_cache_timeout=60,
            tls_protocols="TLSv1.2",
        )
    )
    settings = ssl.create_default_context(cafile=str(certs / "ca.crt"))
    settings.check_hostname = False
    settings.load_cert_chain(certs / "client.crt", certs / "client.key")
    at = ("127.0.0.1", int(server.config["tls-port"]))
    session = None
    reused = []
    for _ in range(2):
        with settings.wrap_socket(
            socket.create_connection(at, timeout=20), session=session
        ) as sock:
            assert ping(sock)
            session = sock.session
            reused.append(sock.session_reused)
            if caches:
                assert session is not None
                assert session.ticket_lifetime_hint == 60
    assert reused == [False, caches]


# --- Changes ----------------------------------------------------------------------


def test_certificate_is_replaced(fresh_server: Fresh, certs: Path) -> None:
    server = fresh_server(**options(certs))
    client = server.client()
    with connect(server, certs) as old:
        assert name_of(old) == "server"
        client.ok(
            "CONFIG", "SET", "tls-cert-file", str(certs / "second.crt"),
            "tls-key-file", str(certs / "second.key"),
        )  # fmt: skip
        with connect(server, certs) as new:
            assert name_of(new) == "second"
            assert ping(new)
        assert ping(old)


def test_certificate_that_is_renewed_in_its_file(
    fresh_server: Fresh, certs: Path, tmp_path: Path
) -> None:
    for end in ("crt", "key"):
        shutil.copy(certs / f"server.{end}", tmp_path / f"my.{end}")
    server = fresh_server(
        **options(
            certs,
            tls_cert_file=str(tmp_path / "my.crt"),
            tls_key_file=str(tmp_path / "my.key"),
        )
    )
    for end in ("crt", "key"):
        shutil.copy(certs / f"second.{end}", tmp_path / f"my.{end}")
    # the same name again: the file is read again
    server.client().ok("CONFIG", "SET", "tls-cert-file", str(tmp_path / "my.crt"))
    with connect(server, certs) as sock:
        assert name_of(sock) == "second"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tls-cert-file", "/nonexistent"),
        ("tls-cert-file", "second.crt"),  # whose key is another one
        ("tls-cert-file", "ca.key"),  # no certificate
        ("tls-key-file", "/nonexistent"),
        ("tls-key-file", "locked.key"),
        ("tls-ca-cert-file", ""),
        ("tls-ca-cert-file", "ca.key"),
        ("tls-protocols", "TLSv9"),
        ("tls-ciphers", "nonsense"),
        ("tls-ciphersuites", "nonsense"),
        ("tls-dh-params-file", "ca.key"),
    ],
)
def test_bad_changes_are_refused(
    fresh_server: Fresh, certs: Path, name: str, value: str
) -> None:
    server = fresh_server(**options(certs))
    client = server.client()
    before = client.cmd("CONFIG", "GET", name)
    path = str(certs / value) if value.startswith(("ca", "se", "lo")) else value
    assert client.cmd("CONFIG", "SET", name, path) == (
        f"ERR CONFIG SET failed (possibly related to argument '{name}') - Unable to "
        "update TLS configuration. Check server logs."
    )
    assert client.cmd("CONFIG", "GET", name) == before
    with connect(server, certs) as sock:
        assert ping(sock)
        assert name_of(sock) == "server"


def test_identity_towards_others(fresh_server: Fresh, certs: Path) -> None:
    """The pair is looked at as soon as it is complete, as Redis does."""
    server = fresh_server(**options(certs))
    client = server.client()
    certificate, key = "tls-client-cert-file", "tls-client-key-file"
    refused = (
        f"ERR CONFIG SET failed (possibly related to argument '{key}') - Unable to "
        "update TLS configuration. Check server logs."
    )
    client.ok("CONFIG", "SET", certificate, "/nonexistent")
    client.ok("CONFIG", "SET", certificate, str(certs / "client.crt"))
    for bad in ("/nonexistent", str(certs / "server.key"), str(certs / "ca.crt")):
        assert client.cmd("CONFIG", "SET", key, bad) == refused
        assert client.cmd("CONFIG", "GET", key)[1] == b""
    client.ok("CONFIG", "SET", key, str(certs / "client.key"))
    client.ok("CONFIG", "SET", certificate, "")
    client.ok("CONFIG", "SET", key, "/nonexistent")
    with connect(server, certs) as sock:
        assert ping(sock)
        assert name_of(sock) == "server"


def test_tls_port_changes(fresh_server: Fresh, certs: Path) -> None:
    server = fresh_server(**options(certs, tls_port=0))
    client = server.client()
    port = free_port()
    client.ok("CONFIG", "SET", "tls-port", port)
    with connect(server, certs, port=port) as sock:
        assert ping(sock)
        client.ok("CONFIG", "SET", "tls-port", 0)
        assert ping(sock)
    with pytest.raises(ConnectionRefusedError):
        connect(server, certs, port=port)
    client.ok("CONFIG", "SET", "tls-cert-file", "")
    reply = client.cmd("CONFIG", "SET", "tls-port", port)
    assert reply.endswith("Unable to update TLS configuration. Check server logs.")
    assert client.cmd("CONFIG", "GET", "tls-port")[1] == b"0"


# --- Settings that do not fit together --------------------------------------------

# directives (files by name), the reason in the log
REFUSED: list[tuple[dict[str, str], str]] = [
    ({}, "No tls-cert-file configured!"),
    ({"tls-cert-file": "server.crt"}, "No tls-key-file configured!"),
    (
        {"tls-cert-file": "server.crt", "tls-key-file": "server.key"},
        "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when "
        "tls-cluster, tls-replication or tls-auth-clients are enabled!",
    ),
]
FITTING = {
    "tls-cert-file": "server.crt",
    "tls-key-file": "server.key",
    "tls-ca-cert-file": "ca.crt",
}
REFUSED += [
    (
        FITTING | {"tls-protocols": "x"},
        "Invalid tls-protocols specified. Use a combination of 'TLSv1', 'TLSv1.1', "
        "'TLSv1.2' and 'TLSv1.3'.",
    ),
    (FITTING | {"tls-ciphers": "x"}, "Failed to configure ciphers: x"),
    (FITTING | {"tls-ciphersuites": "x"}, "Failed to configure ciphersuites: x"),
    (
        FITTING | {"tls-dh-params-file": "ca.key"},
        "ca.key: failed to read DH params.",
    ),
    (FITTING | {"tls-key-file": "none.key"}, "Failed to load private key: none.key: "),
    (FITTING | {"tls-cert-file": "none.crt"}, "Failed to load certificate: none.crt: "),
    (
        FITTING | {"tls-ca-cert-file": "ca.key"},
        "Failed to configure CA certificate(s) file/directory: ",
    ),
]


@pytest.mark.parametrize(("settings", "reason"), REFUSED)
def test_refused(
    settings: dict[str, str],
    reason: str,
    certs: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(certs)
    with pytest.raises(TlsError) as caught:
        server_context(DEFAULTS | settings)
    assert str(caught.value).startswith(reason)


@pytest.mark.skipif(server_path() is None, reason="no redis-server 7.0 in PATH")
@pytest.mark.parametrize(("settings", "reason"), REFUSED)
def test_genuine_server_refuses_alike(
    settings: dict[str, str], reason: str, certs: Path
) -> None:
    words = [word for name in settings for word in (f"--{name}", settings[name])]
    port = str(free_port())
    code, out, _ = run_refused(["--port", "0", "--tls-port", port, *words], cwd=certs)
    assert code == 1
    assert f" # {reason}" in out.decode()
    assert "Failed to configure TLS. Check logs for more info." in out.decode()


def test_start_without_certificate(fresh_server: Fresh, certs: Path) -> None:
    server = fresh_server(start=False, check_exit=False, tls_port=free_port())
    server.spawn()
    assert server.wait_exit() == 1
    assert "No tls-cert-file configured!" in server.log()
    assert "Failed to configure TLS. Check logs for more info." in server.log()


def test_client_context(certs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(certs)
    context = client_context(DEFAULTS | FITTING)
    assert context.verify_mode == ssl.CERT_REQUIRED
    own = {"tls-client-cert-file": "client.crt", "tls-client-key-file": "client.key"}
    client_context(DEFAULTS | FITTING | own)
    # one without the other does not count
    client_context(DEFAULTS | FITTING | {"tls-client-cert-file": "none"})
    with pytest.raises(TlsError, match="Failed to load certificate: none"):
        client_context(DEFAULTS | FITTING | own | {"tls-client-cert-file": "none"})
    with pytest.raises(TlsError, match="Failed to load private key: none"):
        client_context(DEFAULTS | FITTING | own | {"tls-client-key-file": "none"})


def test_a_bad_identity_towards_others_stops_the_start(
    fresh_server: Fresh, certs: Path
) -> None:
    more = {"tls_client_cert_file": str(certs / "client.crt")}
    more["tls_client_key_file"] = str(certs / "server.key")
    server = fresh_server(start=False, check_exit=False, **options(certs, **more))
    server.spawn()
    assert server.wait_exit() == 1
    assert "Failed to configure TLS. Check logs for more info." in server.log()
