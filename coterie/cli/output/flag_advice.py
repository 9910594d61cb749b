"""Flag advice: words the advice in an error's text in flags of the command line, instead of parameters in code. Pure.

The libraries' errors name parameters (`insecure=True`), most of them beside the flag that says the same. Whoever runs a
command has no code to change. An option that may come from the environment is named with its variable. Declarations of
a topology (`nodes=`, `operators=`) stay: they have no flag.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["in_flags"]

_TLS: Final = "--tls-certificate, --tls-key and --tls-authority"
_RULES: Final = tuple(
    (re.compile(pattern), flags)
    for pattern, flags in (
        (r" \(in code: \w+=\)", ""),
        (r" \((?:bootstrap|forget_groups|peers)=\)", ""),
        (r'\(bootstrap="new", --bootstrap new\)', "(--bootstrap new)"),
        (r"\b(?:auth|tls)= \((--[^)]*)\)", r"\1"),
        (r"\bauth= or tls=(?!\w)", f"--key-file or {_TLS}"),
        (r"\bpass insecure=True\b", "pass --insecure"),
        (r'\bbootstrap="new" formats', "--bootstrap new formats"),
        (r"\bdata= is not given", "--data is not given"),
        (r" \(join=\)", ""),
        (r"\bgive join=, where", "give --join HOST:PORT, where"),
        (r"\bjoin=(?= names| is for)", "--join"),
        (r"\bjoin=(?=')", "--join "),
        (r"\b(role|label)s= is for", r"--\1 is for"),
        (r"\badvertise=(?= is for)", "--advertise"),
        (r"\badvertise=HOST:PORT", "--advertise HOST:PORT"),
        (r'\bformatted with bootstrap="join"', "formatted with --bootstrap join"),
        (r"\(--connect\)", "(--connect or COTERIE_CONNECT)"),
    )
)


def in_flags(text: str) -> str:
    """Return an error's text with flags in place of parameters; everything else stays as it is."""
    for pattern, flags in _RULES:
        text = pattern.sub(flags, text)
    return text
