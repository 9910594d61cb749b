"""TLS mismatch: detects that one end of a connection speaks TLS and the other does not, and says so to both ends.

    dialled without TLS, TLS asked for   the acceptor sees a first byte that is none of TLS, and answers with a Refuse
    dialled in TLS, spoken in plain      the acceptor sees a TLS record, and answers with any frame: the dialer's TLS
                                         library reports that it is no TLS

Without an answer the dialer would see a connection that closes, as if nothing listened there.
"""

from __future__ import annotations

from typing import Final

from coterie.runtime.transport.framing.frames import FrameEncoder
from coterie.runtime.transport.handshake.handshake_messages import RefusalReason, refuse

__all__ = ["DIALLED_IN_TLS", "DIALLED_PLAIN", "TLS_RECORD", "plain_refusal"]

TLS_RECORD: Final = b"\x16"
"""The first byte of a connection in TLS: a handshake record (RFC 8446 §5.1). That of a frame is 0, see `frames.py`."""

_ADVICE: Final = "give tls= (--tls-certificate, --tls-key, --tls-authority) on both ends or on neither"

DIALLED_PLAIN: Final = f"the end that was dialled asks for TLS, and the one that dialled speaks none; {_ADVICE}"

DIALLED_IN_TLS: Final = f"the end that dialled asks for TLS, and the one that was dialled speaks none; {_ADVICE}"


def plain_refusal() -> bytes:
    """Return what an acceptor in TLS answers to a frame: the frame with the reason. It names nothing of this end."""
    return FrameEncoder().encode(refuse(RefusalReason.TLS_MISMATCH, DIALLED_PLAIN).reply or b"")
