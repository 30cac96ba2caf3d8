# SPDX-License-Identifier: BSD-3-Clause
"""TLS: from the tls-* directives to the context that new connections are made with.

A context is made anew whenever a directive changes, and only if all of them fit
together does it replace the old one; connections that exist keep theirs.

What Python's ssl module has no name for is set by OpenSSL's own functions, which are
in the library that the module is linked with: cipher suites of TLS 1.3, size and time
limits of the session cache. Where they cannot be reached, the directive is refused.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final

PROTOCOLS: Final = {
    "tlsv1": ssl.TLSVersion.TLSv1,
    "tlsv1.1": ssl.TLSVersion.TLSv1_1,
    "tlsv1.2": ssl.TLSVersion.TLSv1_2,
    "tlsv1.3": ssl.TLSVersion.TLSv1_3,
}
_NOT_ALLOWED: Final = {
    "tlsv1": ssl.OP_NO_TLSv1,
    "tlsv1.1": ssl.OP_NO_TLSv1_1,
    "tlsv1.2": ssl.OP_NO_TLSv1_2,
    "tlsv1.3": ssl.OP_NO_TLSv1_3,
}

# Of SSL_CTX_ctrl.
_SET_SESSION_CACHE_SIZE: Final = 42
_SET_SESSION_CACHE_MODE: Final = 44
_CACHE_OFF: Final = 0
_CACHE_SERVER: Final = 2
# Entries and seconds: what nobody asked for need not be possible.
SESSION_DEFAULTS: Final = (20480, 300)


class TlsError(Exception):
    """The directives make no context; the text is for the log."""


def server_context(settings: Mapping[str, Any]) -> ssl.SSLContext:
    """Return the context for connections of clients.

    settings: the tls-* directives by their names. Raises: TlsError.
    """
    if not settings["tls-cert-file"]:
        raise TlsError("No tls-cert-file configured!")
    if not settings["tls-key-file"]:
        raise TlsError("No tls-key-file configured!")
    has_ca = settings["tls-ca-cert-file"] or settings["tls-ca-cert-dir"]
    if settings["tls-auth-clients"] != "no" and not has_ca:
        raise TlsError(
            "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when "
            "tls-cluster, tls-replication or tls-auth-clients are enabled!"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _set_protocols(context, settings["tls-protocols"])
    _load_certificate(
        context,
        settings["tls-cert-file"],
        settings["tls-key-file"],
        settings["tls-key-file-pass"],
    )
    _load_authorities(
        context, settings["tls-ca-cert-file"], settings["tls-ca-cert-dir"]
    )
    context.verify_mode = {
        "yes": ssl.CERT_REQUIRED,
        "optional": ssl.CERT_OPTIONAL,
        "no": ssl.CERT_NONE,
    }[settings["tls-auth-clients"]]
    _set_ciphers(context, settings["tls-ciphers"], settings["tls-ciphersuites"])
    preference = ssl.OP_CIPHER_SERVER_PREFERENCE
    if settings["tls-prefer-server-ciphers"]:
        context.options |= preference
    else:
        context.options &= ~preference
    if settings["tls-dh-params-file"]:
        path = settings["tls-dh-params-file"]
        try:
            context.load_dh_params(path)
        except (OSError, ValueError):
            raise TlsError(f"{path}: failed to read DH params.") from None
    _set_sessions(context, settings)
    return context


def has_client_identity(settings: Mapping[str, Any]) -> bool:
    """Return whether connections to others have a certificate of their own."""
    return bool(settings["tls-client-cert-file"] and settings["tls-client-key-file"])


def client_context(settings: Mapping[str, Any]) -> ssl.SSLContext:
    """Return the context for connections that this server makes to others.

    The tls-client-* files are its identity, or those of the server where there are
    none. Raises: TlsError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the peers of a cluster are known by their address
    _set_protocols(context, settings["tls-protocols"])
    own = "tls-client-" if has_client_identity(settings) else "tls-"
    if settings[f"{own}cert-file"]:
        _load_certificate(
            context,
            settings[f"{own}cert-file"],
            settings[f"{own}key-file"],
            settings[f"{own}key-file-pass"],
        )
    _load_authorities(
        context, settings["tls-ca-cert-file"], settings["tls-ca-cert-dir"]
    )
    _set_ciphers(context, settings["tls-ciphers"], settings["tls-ciphersuites"])
    return context


# --- Parts ------------------------------------------------------------------------


def parse_protocols(text: str) -> frozenset[str]:
    """Return the protocols that ``tls-protocols`` names; none given: the newer two.

    Raises: TlsError.
    """
    words = frozenset(text.lower().split())
    if not words:
        return frozenset(("tlsv1.2", "tlsv1.3"))
    if not words <= set(PROTOCOLS):
        raise TlsError(
            "Invalid tls-protocols specified. Use a combination of 'TLSv1', "
            "'TLSv1.1', 'TLSv1.2' and 'TLSv1.3'."
        )
    return words


def _set_protocols(context: ssl.SSLContext, text: str) -> None:
    words = parse_protocols(text)
    order = list(PROTOCOLS)
    chosen = sorted(words, key=order.index)
    import warnings

    with warnings.catch_warnings():
        # the older ones are deprecated, which is for the operator to weigh
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = PROTOCOLS[chosen[0]]
        context.maximum_version = PROTOCOLS[chosen[-1]]
        for word, option in _NOT_ALLOWED.items():
            if word in words:
                context.options &= ~option
            elif chosen[0] < word < chosen[-1]:
                context.options |= option  # a gap


def _load_certificate(
    context: ssl.SSLContext, certificate: str, key: str, password: str
) -> None:
    for what, path in (("certificate", certificate), ("private key", key)):
        try:
            with open(path, "rb"):
                pass
        except OSError as error:
            raise TlsError(f"Failed to load {what}: {path}: {error.strerror}") from None
    secret = password.encode("utf-8", "surrogateescape")
    try:
        # without a password OpenSSL would ask for one on the terminal
        context.load_cert_chain(certificate, key or None, lambda: secret)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error)
        raise TlsError(f"Failed to load certificate: {certificate}: {reason}") from None


def _load_authorities(context: ssl.SSLContext, file: str, folder: str) -> None:
    if not (file or folder):
        return
    try:
        context.load_verify_locations(file or None, folder or None)
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror
        raise TlsError(
            "Failed to configure CA certificate(s) file/directory: "
            f"{file or folder}: {reason}"
        ) from None


def _set_ciphers(context: ssl.SSLContext, ciphers: str, suites: str) -> None:
    if ciphers:
        try:
            context.set_ciphers(ciphers)
        except ssl.SSLError:
            raise TlsError(f"Failed to configure ciphers: {ciphers}") from None
    if suites:
        function = _openssl("SSL_CTX_set_ciphersuites", "tls-ciphersuites")
        if function(_pointer(context), suites.encode()) != 1:
            raise TlsError(f"Failed to configure ciphersuites: {suites}")


def _set_sessions(context: ssl.SSLContext, settings: Mapping[str, Any]) -> None:
    if not settings["tls-session-caching"]:
        context.options |= ssl.OP_NO_TICKET
        _control(context, _SET_SESSION_CACHE_MODE, _CACHE_OFF, "tls-session-caching")
        return
    size, seconds = (
        settings["tls-session-cache-size"],
        settings["tls-session-cache-timeout"],
    )
    try:
        _control(context, _SET_SESSION_CACHE_MODE, _CACHE_SERVER, "")
        _control(context, _SET_SESSION_CACHE_SIZE, size, "tls-session-cache-size")
        set_timeout = _openssl("SSL_CTX_set_timeout", "tls-session-cache-timeout")
        set_timeout(_pointer(context), seconds)
    except TlsError:
        if (size, seconds) != SESSION_DEFAULTS:
            raise


# --- OpenSSL itself ---------------------------------------------------------------


def _openssl(name: str, directive: str) -> Callable[..., int]:
    """Return a function of the OpenSSL that Python's ssl module uses.

    Raises: TlsError if it cannot be reached.
    """
    import _ssl
    import ctypes

    try:
        # the library is found through the module, or is part of it
        library = ctypes.CDLL(getattr(_ssl, "__file__", None))
        function = getattr(library, name)
    except (OSError, AttributeError):
        raise TlsError(
            f"{directive}: this Python's ssl module does not let it be set"
        ) from None
    arguments: dict[str, list[Any]] = {
        "SSL_CTX_set_ciphersuites": [ctypes.c_void_p, ctypes.c_char_p],
        "SSL_CTX_set_timeout": [ctypes.c_void_p, ctypes.c_long],
        "SSL_CTX_ctrl": [
            ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p,
        ],
    }  # fmt: skip
    function.argtypes = arguments[name]
    function.restype = ctypes.c_int if "ciphersuites" in name else ctypes.c_long
    return function  # type: ignore[no-any-return]


def _control(context: ssl.SSLContext, what: int, value: int, directive: str) -> None:
    _openssl("SSL_CTX_ctrl", directive)(_pointer(context), what, value, None)


def _pointer(context: ssl.SSLContext) -> int:
    """Return the address of OpenSSL's SSL_CTX: the first field of Python's object."""
    import ctypes

    at = id(context) + object.__basicsize__
    return ctypes.c_void_p.from_address(at).value or 0
