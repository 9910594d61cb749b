"""Network addresses: parses text of the form `host:port`, and writes a host and a port as such text."""

from __future__ import annotations

__all__ = ["format_address", "parse_address"]


def parse_address(text: str) -> tuple[str, int]:
    """Return (host, port) of `host:port` or `[ipv6]:port`. ValueError for any other text."""
    if not isinstance(text, str):
        raise ValueError(f"{text!r:.60} is no address: write it as text, host:port, such as '127.0.0.1:7401'")
    host, colon, port = text.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if is_bracketed else host
    is_host = bool(host) and (is_bracketed or ":" not in host)
    if not colon or not is_host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is no address: write host:port, such as 127.0.0.1:7401")
    return host, int(port)


def format_address(address: tuple[str, int]) -> str:
    """Return the text of an address."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
