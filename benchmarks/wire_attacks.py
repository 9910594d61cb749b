"""What strangers, broken middle boxes and hostile friends do to a node, one random case after the other.

A case raises `Breach` if a promise of the transport is broken; any other exception out of the transport is a breach as
well. All randomness comes from the generator given.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import msgpack

from benchmarks.wire_victim import CONFIG, VICTIM, Victim, Wire
from coterie.errors import BrokenFrame
from coterie.runtime.transport import Identity, Peer, Role, SharedKey
from coterie.runtime.transport.framing.chunks import encode_chunk
from coterie.runtime.transport.framing.frames import FrameDecoder, FrameEncoder
from coterie.runtime.transport.framing.items import EMPTY, join
from coterie.runtime.transport.handshake.handshake import Continue, Credentials, DialerHandshake, Passed
from coterie.runtime.transport.handshake.handshake_messages import Challenge, Hello, Proof, Welcome, peer_of
from coterie.runtime.transport.handshake.shared_key import NONCE_BYTES, Side, prove

NODE_KEY, CLIENT_KEY, FOREIGN_KEY = b"n" * 32, b"c" * 32, b"f" * 32
AUTH = SharedKey(NODE_KEY, client_keys=(CLIENT_KEY,))
VERSIONS = CONFIG.versions
SOFT_BYTES = CONFIG.frame_soft_bytes


class Breach(AssertionError):
    """A promise of the transport does not hold."""


class Friend:
    """Somebody who knows the key: links with the victim as it should be."""

    def __init__(self, victim: Victim, rng: random.Random, name: str) -> None:
        self.identity = Identity("fuzz", name, rng.getrandbits(64))
        self.said: list[bytes] = []  # every payload of the handshakes, both ways
        link_id = rng.getrandbits(64)
        self.ends = [self._open(victim, rng, lane_class, link_id) for lane_class in (0, 1)]
        self.ends[0][0].feed(self.ends[0][1].encode(EMPTY))

    def _open(self, victim: Victim, rng: random.Random, lane_class: int, link_id: int) -> tuple[Wire, FrameEncoder]:
        handshake = DialerHandshake(
            self.identity, lane_class=lane_class, link_id=link_id, credentials=Credentials(AUTH, AUTH.nonce(rng))
        )
        wire, encoder, decoder, payload = victim.connect(), FrameEncoder(), FrameDecoder(4096), handshake.hello
        heard = 0
        while True:
            self.said.append(payload)
            wire.feed(encoder.encode(payload))
            decoder.feed(bytes(wire.heard[heard:]))
            heard = len(wire.heard)
            answer = decoder.next_payload()
            if answer is None:
                raise Breach(f"no answer to {payload!r}")
            self.said.append(answer)
            verdict = handshake.receive(answer)
            if not isinstance(verdict, Continue):
                break
            payload = verdict.reply
        if not isinstance(verdict, Passed):
            raise Breach(f"a friend was refused: {verdict}")
        return wire, encoder


# --- damage on the way ----------------------------------------------------------------------------------------------


def damaged_stream(victim: Victim, rng: random.Random, name: str) -> int:
    """Feed the frames of a friend through a middle box that damages them; only a beginning of them may be delivered."""
    friend = Friend(victim, rng, name)
    lane = rng.choice((0, 1, 2))
    wire, encoder = friend.ends[1 if lane == 2 else 0]
    payloads, items = _traffic(rng, lane)
    frames = [encoder.encode(payload) for payload in payloads]
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        _damage(rng, frames)
    _feed_in_pieces(rng, wire, b"".join(frames))
    if victim.items != items[: len(victim.items)]:
        raise Breach(f"delivered {len(victim.items)} items that are no beginning of the {len(items)} sent")
    return len(frames)


def _traffic(rng: random.Random, lane: int) -> tuple[list[bytes], list[object]]:
    """Return payloads for one lane and the items in them."""
    payloads: list[bytes] = []
    items: list[object] = []
    for number in range(rng.randrange(20, 60)):
        if rng.random() < 0.05:
            item: object = (number, rng.randbytes(rng.randrange(SOFT_BYTES, 4 * SOFT_BYTES)))
            packed = _pack(item)
            payloads += [encode_chunk(lane, packed, start, SOFT_BYTES) for start in range(0, len(packed), SOFT_BYTES)]
            items.append(item)
        else:
            batch: list[object] = [(number, at, "text", None, b"bytes") for at in range(rng.randrange(4))]
            payloads.append(join([_pack(one) for one in batch]))
            items += batch
    return payloads, items


def _pack(item: object) -> bytes:
    return cast(bytes, msgpack.packb(item))


def _damage(rng: random.Random, frames: list[bytes]) -> None:
    at = rng.randrange(len(frames))
    frame = bytearray(frames[at])
    if not frame:
        return  # lost already
    match rng.randrange(8):
        case 0:  # one bit
            frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
        case 1:  # a byte too many
            frame.insert(rng.randrange(len(frame) + 1), rng.randrange(256))
        case 2:  # a byte too few
            del frame[rng.randrange(len(frame))]
        case 3:  # cut short
            del frame[rng.randrange(len(frame)) :]
        case 4:  # noise
            start = rng.randrange(len(frame))
            frame[start : start + 8] = rng.randbytes(8)
        case 5:  # twice
            frames.insert(at, bytes(frame))
            return
        case 6:  # lost
            frame.clear()
        case _:  # overtaken
            other = rng.randrange(len(frames))
            frames[at], frames[other] = frames[other], frames[at]
            return
    frames[at] = bytes(frame)


def _feed_in_pieces(rng: random.Random, wire: Wire, stream: bytes) -> None:
    at = 0
    while at < len(stream):
        size = rng.choice((1, 7, 100, 1500, 20_000, len(stream)))
        wire.feed(stream[at : at + size])
        at += size


# --- a friend turned hostile ----------------------------------------------------------------------------------------


def hostile_payloads(victim: Victim, rng: random.Random, name: str) -> int:
    """Feed sound frames with nonsense in them, from somebody who knows the key: at worst his link goes."""
    friend = Friend(victim, rng, name)
    wire, encoder = friend.ends[rng.randrange(2)]
    count = 0
    while count < 40 and not wire.is_closed:
        wire.feed(encoder.encode(_nonsense(rng)))
        count += 1
        _check_memory(victim)
    return count


def _nonsense(rng: random.Random) -> bytes:
    match rng.randrange(5):
        case 0:
            return rng.randbytes(rng.randrange(40))
        case 1:  # chunks of all kinds
            to_come = rng.choice((0, 1, 10, 10, 10, CONFIG.message_cap_bytes, 2**32 - 1))
            return _chunk(rng.choice((0, 1, 2, 3, 255)), to_come, rng.randbytes(rng.randrange(20)))
        case 2:  # headers that announce much
            return b"\x91" + rng.choice((b"\xdd", b"\xdf", b"\xc6", b"\xdb", b"\xc9")) + b"\xff" * rng.randrange(6)
        case 3:  # depth
            return b"\x91" * rng.randrange(1, 3000)
        case _:  # almost sound
            payload = bytearray(join([_pack((1, "x", {"k": [1, 2.0, None]}))] * rng.randrange(1, 4)))
            payload[rng.randrange(len(payload))] = rng.randrange(256)
            return bytes(payload)


def lying_chunks(victim: Victim, rng: random.Random, name: str) -> int:
    """Feed sound chunks that do not fit together, from somebody who knows the key: at the first lie his link goes."""
    friend = Friend(victim, rng, name)
    lane = rng.choice((0, 1, 2))
    wire, encoder = friend.ends[1 if lane == 2 else 0]
    item, cap = rng.randbytes(3 * SOFT_BYTES), CONFIG.message_cap_bytes
    truth = [encode_chunk(lane, item, start, SOFT_BYTES) for start in range(0, len(item), SOFT_BYTES)]
    lies = [
        [_chunk(lane, rng.choice((cap, 2**32 - 1)), b"x")],  # too large
        [_chunk(2 if lane < 2 else rng.randrange(2), 9, b"x")],  # of the other connection
        [_chunk(rng.randrange(3, 256), 9, b"x")],
        [_chunk(lane, 9, b"")],  # without an end
        [truth[0], truth[2]],
        [truth[0], truth[0]],
        [truth[0], truth[1], _chunk(lane, 1, item[:SOFT_BYTES])],
    ]
    lie = rng.choice(lies)
    for payload in lie:
        if wire.is_closed:
            raise Breach("the link went before the lie")
        wire.feed(encoder.encode(payload))
    if not wire.is_closed or victim.items:
        raise Breach(f"it was believed: {lie[-1][:20]!r}")
    return len(lie)


def _chunk(lane: int, to_come: int, data: bytes) -> bytes:
    return b"\xc1" + bytes((lane,)) + to_come.to_bytes(4, "big") + data


def _check_memory(victim: Victim) -> None:
    for link in victim.roster.links.values():
        held = [assembler.held_bytes for assembler in link._assemblers]  # noqa: SLF001 (nobody is told of it)
        if max(held) > 2 * CONFIG.message_cap_bytes:
            raise Breach(f"{held} bytes wait for the rest of their items")


# --- strangers ------------------------------------------------------------------------------------------------------


class Stranger:
    """Somebody without the node key who has listened to handshakes, and knows a client's key.

    Half of them go through the handshake as a node would, up to the proof; the others say anything.
    """

    def __init__(self, rng: random.Random, overheard: Sequence[bytes]) -> None:
        self._rng = rng
        self._goes_by_the_book = rng.random() < 0.5
        self._overheard = overheard
        self._hello = b""

    def payload(self, heard: Sequence[bytes]) -> bytes:
        """Return something to say to somebody who has said `heard`."""
        rng = self._rng
        if self._goes_by_the_book:
            return self._forged_proof(heard) if self._hello else self._plausible_hello()
        moves: list[Callable[[], bytes]] = [
            lambda: rng.choice(self._overheard),  # replay
            lambda: rng.choice(heard or self._overheard),  # reflection
            self._forged_hello,
            self._forged_hello,
            lambda: self._forged_proof(heard),
            lambda: self._forged_proof(heard),
            self._forged_answer,
            lambda: _mutated(rng, rng.choice(self._overheard)),
            lambda: join([b"\x01"]),  # items, before their time
            lambda: rng.randbytes(rng.randrange(100)),
        ]
        said = rng.choice(moves)()
        if said.startswith(b"\x9b\xadcoterie.hello"):
            self._hello = said
        return said

    def _peer(self) -> Peer:
        rng = self._rng
        name = rng.choice(("victim", "friend", "other", "x" * 128))
        return Peer(name, rng.choice((1, 2, 2**64 - 1)), rng.choice(list(Role)))

    def _plausible_hello(self) -> bytes:
        rng = self._rng
        peer = Peer(rng.choice(("friend", "other")), rng.getrandbits(64), rng.choice(list(Role)))
        self._hello = Hello(*VERSIONS, "fuzz", peer, 0, rng.getrandbits(64), "", rng.randbytes(NONCE_BYTES)).encode()
        return self._hello

    def _forged_hello(self) -> bytes:
        rng = self._rng
        low, high = rng.choice((VERSIONS, VERSIONS, (2, 2), (3, 3), (0, 0), (4, 9), (9, 1), (0, 2**32 - 1)))
        cluster, whom = rng.choice(("fuzz", "fuzz", "other", "")), rng.choice(("", "victim", "other"))
        nonce = rng.choice((b"", rng.randbytes(NONCE_BYTES), bytes(NONCE_BYTES)))
        return Hello(low, high, cluster, self._peer(), rng.randrange(2), rng.choice((1, 2)), whom, nonce).encode()

    def _forged_proof(self, heard: Sequence[bytes]) -> bytes:
        rng = self._rng
        key, side = rng.choice((FOREIGN_KEY, CLIENT_KEY)), rng.choice(list(Side))
        challenge = heard[-1] if heard else b""
        return rng.choice((Proof(prove(key, side, self._hello, challenge)), Proof(rng.randbytes(32)))).encode()

    def _forged_answer(self) -> bytes:
        rng, peer = self._rng, self._peer()
        version, cluster = rng.choice((0, 2, 3, 4)), rng.choice(("fuzz", "other"))
        if rng.random() < 0.5:
            return Challenge(version, cluster, peer, rng.randbytes(NONCE_BYTES)).encode()
        return Welcome(version, cluster, peer, rng.choice((b"", rng.randbytes(32)))).encode()


def _mutated(rng: random.Random, payload: bytes) -> bytes:
    changed = bytearray(payload)
    for _ in range(rng.randrange(1, 4)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def strangers_at_the_door(victim: Victim, rng: random.Random, overheard: Sequence[bytes]) -> int:
    """Open connections as a stranger and say hostile things: no node may come of it, and nothing be delivered."""
    count = 0
    for _ in range(rng.randrange(1, 4)):
        wire, encoder, decoder, heard = victim.connect(), FrameEncoder(), FrameDecoder(4096), list[bytes]()
        stranger, at = Stranger(rng, overheard), 0
        for _ in range(rng.randrange(1, 6)):
            wire.feed(encoder.encode(stranger.payload(heard)))
            count += 1
            decoder.feed(bytes(wire.heard[at:]))
            at = len(wire.heard)
            while (payload := decoder.next_payload()) is not None:
                heard.append(payload)
    # With the client key that they know they may come in as clients; as nodes, never.
    peers = [link.peer for link in victim.roster.links.values()]
    halves = [peer for peer, _ in victim.acceptor._halves]  # noqa: SLF001 (nobody is told of them)
    if any(peer.role is Role.NODE for peer in peers + halves) or (victim.items and not peers):
        raise Breach(f"a stranger came in: {peers}, {halves}, {victim.items}")
    return count


def strangers_who_answer(rng: random.Random, overheard: Sequence[bytes]) -> int:
    """Let a node dial a stranger: whatever he answers, he is not believed."""
    me = replace(VICTIM, node="dialer", incarnation=rng.getrandbits(64))
    count = 0
    for _ in range(8):
        credentials = Credentials(AUTH, AUTH.nonce(rng))
        handshake = DialerHandshake(me, lane_class=rng.randrange(2), link_id=1, credentials=credentials)
        stranger, heard = (
            Stranger(rng, [*overheard, Welcome(VERSIONS[1], "fuzz", peer_of(VICTIM)).encode()]),
            [handshake.hello],
        )
        try:
            for _ in range(4):
                count += 1
                verdict = handshake.receive(stranger.payload(heard))
                if isinstance(verdict, Passed):
                    raise Breach(f"a stranger was believed: {verdict}")
                if not isinstance(verdict, Continue):
                    break
                heard.append(verdict.reply)
        except BrokenFrame:
            continue
    return count
