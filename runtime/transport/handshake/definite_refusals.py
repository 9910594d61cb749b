"""`advice_on`: says which refused handshakes fail again until an option is changed, and which option that is. Pure.

All other refusals can pass by themselves: the node has no place, shuts down, or still hears another client of that
name; or the connection broke off, and the reason is not known.
"""

from __future__ import annotations

from typing import Final

from coterie.runtime.transport.handshake.handshake_messages import RefusalReason

__all__ = ["advice_on"]

_KEYS: Final = (
    "a client uses --key-file, with --key-of NAME if the nodes list its key as --client-key NAME=FILE (in code: auth=)"
)
_NAMES: Final = "give this client another --name (in code: name=)"
_CERTIFICATES: Final = (
    "compare --tls-certificate and --name of this client, and --tls-authority and --tls-revoked of both ends "
    "(in code: tls=)"
)
_TLS: Final = (
    "a client uses --tls-certificate, --tls-key and --tls-authority if the nodes do, and none of them if not "
    "(in code: tls=)"
)
_ADVICE_BY_REASON: Final = {
    RefusalReason.UNSUPPORTED_VERSION: "use the release of the nodes",
    RefusalReason.WRONG_CLUSTER: "compare the addresses (--connect), and the cluster's id (in code: cluster=)",
    RefusalReason.WRONG_ROLE: "compare the addresses (--connect), and the usages of both certificates",
    RefusalReason.KEY_REQUIRED: _KEYS,
    RefusalReason.WRONG_KEY: _KEYS,
    RefusalReason.WRONG_CERTIFICATE: _CERTIFICATES,
    RefusalReason.TLS_MISMATCH: _TLS,
    RefusalReason.OWN_NAME: _NAMES,
    RefusalReason.NAME_TAKEN: _NAMES,
}


def advice_on(code: str) -> str | None:
    """Return what to change after a definite refusal with this code (`wrong_key`, …); None: it can pass by itself."""
    return next((advice for reason, advice in _ADVICE_BY_REASON.items() if reason.value == code), None)
