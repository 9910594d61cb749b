"""File checks: check who can read keys and data, how keys were made, and who can change the code of a node."""

from __future__ import annotations

import base64
import binascii
import contextlib
import itertools
import os
import re
import stat
from collections.abc import Iterator
from typing import Final

from coterie.hardening.checked_deployment import Deployment, Finding, Level

__all__ = ["code_findings", "data_findings", "key_findings", "private_findings"]

KEY_BYTES: Final = 32
"""A key of fewer bytes is a warning."""

_HEX: Final = re.compile(rb"(?=.*[0-9])(?=.*[a-fA-F])[0-9a-fA-F]{64,}")
_BASE64: Final = re.compile(rb"(?=.*[0-9])(?=.*[a-z])(?=.*[A-Z])[0-9a-zA-Z+/]{42,}={0,2}")
"""What encodes about 32 bytes or more, and has digits and letters of each kind, unlike a passphrase of letters."""

DISTINCT_MIN: Final = 12
"""32 random bytes have fewer distinct values than this less often than once in 10**12 keys."""


def key_findings(deployment: Deployment) -> Iterator[Finding]:
    """Yield what is to be said about each key file: who can read it, and whether it looks random."""
    for option, path in deployment.key_files:
        where = f"{option} {path}"
        yield from private_findings(where, path, "chmod 600")
        yield from _unchangeable(os.path.dirname(os.path.abspath(path)), "a key")
        with open(path, "rb") as file:
            key = file.read()
        advice = f"head -c {KEY_BYTES} /dev/urandom > {path}"
        if len(key) < KEY_BYTES:
            yield Finding(Level.WARNING, f"{where}: {len(key)} bytes", advice)
        elif _looks_made_up(key):
            yield Finding(Level.WARNING, f"{where}: it does not look random, and may be guessed", advice)
        elif key.strip() != key:
            yield Finding(Level.NOTE, f"{where}: it ends or begins with white space, which is part of the key")
        else:
            yield Finding(Level.OK, f"{where}: {len(key)} bytes")


def _looks_made_up(key: bytes) -> bool:
    """Return whether a key is a text, or has few or regular bytes. Of Base64 or hexadecimal digits what they encode."""
    key = _decoded(key)
    steps = {(later - earlier) % 256 for earlier, later in itertools.pairwise(key)}
    try:
        is_text = key.decode().strip().isprintable()
    except UnicodeDecodeError:
        is_text = False
    return is_text or len(set(key)) < DISTINCT_MIN or len(steps) < DISTINCT_MIN


def _decoded(key: bytes) -> bytes:
    """Return what a key encodes that somebody has written in hexadecimal or Base64 digits; all else as it is."""
    text = key.strip()
    for digits, decode in ((_HEX, binascii.unhexlify), (_BASE64, base64.b64decode)):
        if digits.fullmatch(text):
            with contextlib.suppress(ValueError):
                return decode(text)
    return key


def data_findings(deployment: Deployment) -> Iterator[Finding]:
    """Yield what is to be said about the data directory: who else can read or replace it."""
    data = deployment.data
    if data is None:
        yield Finding(Level.NOTE, "no data directory: the node must not be started again under its name")
        return
    if os.path.exists(data) and not os.path.isdir(data):
        yield Finding(Level.FAILURE, f"{data}: it is a file, and no directory for data")
        return
    if not os.path.isdir(data):
        yield Finding(Level.OK, f"{data}: it does not exist yet, and will be for its owner only")
        yield from _unchangeable(os.path.dirname(os.path.abspath(data)), "the data directory")
        return
    yield from private_findings(data, data, "chmod 700")
    wide = [name for name in sorted(os.listdir(data)) if _is_wide(os.path.join(data, name))]
    if wide:
        yield Finding(Level.WARNING, f"{data}: others can read {', '.join(wide[:5])}", f"chmod go= {data}/*")
    yield from _unchangeable(os.path.dirname(os.path.abspath(data)), "the data directory")


def code_findings(deployment: Deployment) -> Iterator[Finding]:
    """Yield what is to be said about the folders from which the node imports, and about who runs it."""
    folders = dict.fromkeys((os.path.dirname(os.path.abspath(deployment.code)), os.getcwd()))
    for folder in folders:
        yield from _unchangeable(folder, "modules that the node imports")
        for own in (folder, os.path.join(folder, "__pycache__")):
            if os.path.isdir(own) and os.stat(own).st_mode & 0o022:  # to add one is enough: a sticky bit does not help
                yield Finding(
                    Level.FAILURE, f"{own}: others can add modules that the node imports", f"chmod go-w {own}"
                )
    yield from _own(deployment.code)
    for path in deployment.tls_files:
        yield from _own(path)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        yield Finding(Level.WARNING, "this is root: a node needs no rights of root", "run it as a user of its own")


def _own(path: str) -> Iterator[Finding]:
    """Yield a failure if another user can change a file; nothing if it is not there: that is told elsewhere."""
    if not os.path.exists(path):
        return
    status = os.stat(path)
    if status.st_mode & 0o022:
        yield Finding(Level.FAILURE, f"{path}: others can change it", f"chmod go-w {path}")
    if hasattr(os, "geteuid") and status.st_uid not in (os.geteuid(), 0):
        yield Finding(Level.WARNING, f"{path}: it belongs to user {status.st_uid}, who can change it")


def private_findings(where: str, path: str, command: str) -> Iterator[Finding]:
    """Yield a finding if others than its owner can read a file or enter a directory. `command` makes it private."""
    status = os.stat(path)
    mode = stat.filemode(status.st_mode)
    if status.st_mode & 0o007:
        yield Finding(Level.FAILURE, f"{where}: others can read or change it ({mode})", f"{command} {path}")
    elif status.st_mode & 0o070:
        yield Finding(Level.WARNING, f"{where}: its group can read or change it ({mode})", f"{command} {path}")
    if hasattr(os, "geteuid") and status.st_uid not in (os.geteuid(), 0):
        yield Finding(Level.WARNING, f"{where}: it belongs to user {status.st_uid}, who can change it")


def _unchangeable(folder: str, what: str) -> Iterator[Finding]:
    """Yield a failure for the first folder, from `folder` upwards, in which others can put something else in place."""
    at = os.path.realpath(folder)
    while True:
        if _can_others_write(at) and not os.stat(at).st_mode & stat.S_ISVTX:
            yield Finding(Level.FAILURE, f"{at}: others can replace {what} in it", f"chmod go-w {at}")
            return
        if at == os.path.dirname(at):
            return
        at = os.path.dirname(at)


def _can_others_write(path: str) -> bool:
    return bool(os.stat(path).st_mode & 0o002)


def _is_wide(path: str) -> bool:
    return bool(os.stat(path).st_mode & 0o077)
