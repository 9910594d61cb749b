"""Wire attacks: sends damaged streams, hostile payloads, forged handshakes to a node, and checks the node's reaction.

A case raises `PropertyViolation` if the transport breaks a guarantee; any other exception of the transport is a failure
too. All randomness comes from the given generator.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import msgpack

from benchmarks.fuzzing.fuzz_target import CONFIG, TARGET, FuzzConnection, FuzzTarget
from coterie.errors import BrokenFrame
from coterie.runtime.transport import ClientKey, Peer, PeerRole, SharedKey, SystemIdentity
from coterie.runtime.transport.framing.chunks import encode_chunk
from coterie.runtime.transport.framing.frames import FrameDecoder, FrameEncoder
from coterie.runtime.transport.framing.items import EMPTY, join
from coterie.runtime.transport.handshake.handshake import Continue, Credentials, DialerHandshake, Passed
from coterie.runtime.transport.handshake.handshake_messages import Challenge, Hello, Proof, Welcome, peer_of
from coterie.runtime.transport.handshake.shared_key import NONCE_BYTES, HandshakeSide, fresh_nonce, prove

NODE_KEY, CLIENT_KEY, FOREIGN_KEY = b"n" * 32, b"c" * 32, b"f" * 32
AUTH = SharedKey(NODE_KEY, clients=(ClientKey("client", CLIENT_KEY),))
VERSIONS = CONFIG.versions
SOFT_BYTES = CONFIG.frame_soft_bytes


class PropertyViolation(AssertionError):
    """The transport broke a guarantee."""


class TrustedPeer:
    """A peer with the node key: links with the target by the protocol."""

    def __init__(self, target: FuzzTarget, rng: random.Random, name: str) -> None:
        self.identity = SystemIdentity("fuzz", name, rng.getrandbits(64))
        self.payloads: list[bytes] = []  # every payload of the handshakes, both ways
        link_id = rng.getrandbits(64)
        self.ends = [self._open(target, rng, lane_class, link_id) for lane_class in (0, 1)]
        self.ends[0][0].feed(self.ends[0][1].encode(EMPTY))

    def _open(
        self, target: FuzzTarget, rng: random.Random, lane_class: int, link_id: int
    ) -> tuple[FuzzConnection, FrameEncoder]:
        handshake = DialerHandshake(
            self.identity, lane_class=lane_class, link_id=link_id, credentials=Credentials(AUTH, fresh_nonce(AUTH, rng))
        )
        connection, encoder, decoder, payload = target.connect(), FrameEncoder(), FrameDecoder(4096), handshake.hello
        received = 0
        while True:
            self.payloads.append(payload)
            connection.feed(encoder.encode(payload))
            decoder.feed(bytes(connection.received[received:]))
            received = len(connection.received)
            answer = decoder.next_payload()
            if answer is None:
                raise PropertyViolation(f"no answer to {payload!r}")
            self.payloads.append(answer)
            step = handshake.receive(answer)
            if not isinstance(step, Continue):
                break
            payload = step.reply
        if not isinstance(step, Passed):
            raise PropertyViolation(f"a trusted peer was refused: {step}")
        if step.frame_keys is not None:
            encoder.seal(step.frame_keys.sending)
        return connection, encoder


# --- damage on the way ----------------------------------------------------------------------------------------------


def damaged_stream(target: FuzzTarget, rng: random.Random, name: str) -> int:
    """Feed damaged frames of a trusted peer, as by a faulty middlebox; only a prefix of the items may be delivered."""
    trusted = TrustedPeer(target, rng, name)
    lane = rng.choice((0, 1, 2))
    connection, encoder = trusted.ends[1 if lane == 2 else 0]
    payloads, items = _traffic(rng, lane)
    frames = [encoder.encode(payload) for payload in payloads]
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        _damage(rng, frames)
    _feed_in_pieces(rng, connection, b"".join(frames))
    if target.items != items[: len(target.items)]:
        raise PropertyViolation(f"delivered {len(target.items)} items that are not a prefix of the {len(items)} sent")
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
        return  # removed by an earlier damage
    match rng.randrange(8):
        case 0:  # one bit
            frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
        case 1:  # one byte inserted
            frame.insert(rng.randrange(len(frame) + 1), rng.randrange(256))
        case 2:  # one byte removed
            del frame[rng.randrange(len(frame))]
        case 3:  # truncated
            del frame[rng.randrange(len(frame)) :]
        case 4:  # noise
            start = rng.randrange(len(frame))
            frame[start : start + 8] = rng.randbytes(8)
        case 5:  # duplicated
            frames.insert(at, bytes(frame))
            return
        case 6:  # lost
            frame.clear()
        case _:  # reordered
            other = rng.randrange(len(frames))
            frames[at], frames[other] = frames[other], frames[at]
            return
    frames[at] = bytes(frame)


def _feed_in_pieces(rng: random.Random, connection: FuzzConnection, stream: bytes) -> None:
    at = 0
    while at < len(stream):
        size = rng.choice((1, 7, 100, 1500, 20_000, len(stream)))
        connection.feed(stream[at : at + size])
        at += size


# --- a hostile trusted peer -------------------------------------------------------------------------------------------


def hostile_payloads(target: FuzzTarget, rng: random.Random, name: str) -> int:
    """Feed valid frames with invalid payloads from a trusted peer: at most its link may be closed."""
    trusted = TrustedPeer(target, rng, name)
    connection, encoder = trusted.ends[rng.randrange(2)]
    count = 0
    while count < 40 and not connection.is_closed:
        connection.feed(encoder.encode(_nonsense(rng)))
        count += 1
        _check_memory(target)
    return count


def _nonsense(rng: random.Random) -> bytes:
    match rng.randrange(5):
        case 0:
            return rng.randbytes(rng.randrange(40))
        case 1:  # chunks of all kinds
            to_come = rng.choice((0, 1, 10, 10, 10, CONFIG.message_cap_bytes, 2**32 - 1))
            return _chunk(rng.choice((0, 1, 2, 3, 255)), to_come, rng.randbytes(rng.randrange(20)))
        case 2:  # headers that announce large sizes
            return b"\x91" + rng.choice((b"\xdd", b"\xdf", b"\xc6", b"\xdb", b"\xc9")) + b"\xff" * rng.randrange(6)
        case 3:  # deep nesting
            return b"\x91" * rng.randrange(1, 3000)
        case _:  # almost valid
            payload = bytearray(join([_pack((1, "x", {"k": [1, 2.0, None]}))] * rng.randrange(1, 4)))
            payload[rng.randrange(len(payload))] = rng.randrange(256)
            return bytes(payload)


def invalid_chunks(target: FuzzTarget, rng: random.Random, name: str) -> int:
    """Feed valid chunks that do not fit together from a trusted peer: the first wrong one must close its link."""
    trusted = TrustedPeer(target, rng, name)
    lane = rng.choice((0, 1, 2))
    connection, encoder = trusted.ends[1 if lane == 2 else 0]
    item, cap = rng.randbytes(3 * SOFT_BYTES), CONFIG.message_cap_bytes
    valid = [encode_chunk(lane, item, start, SOFT_BYTES) for start in range(0, len(item), SOFT_BYTES)]
    cases = [
        [_chunk(lane, rng.choice((cap, 2**32 - 1)), b"x")],  # too large
        [_chunk(2 if lane < 2 else rng.randrange(2), 9, b"x")],  # of the other connection
        [_chunk(rng.randrange(3, 256), 9, b"x")],
        [_chunk(lane, 9, b"")],  # without an end
        [valid[0], valid[2]],
        [valid[0], valid[0]],
        [valid[0], valid[1], _chunk(lane, 1, item[:SOFT_BYTES])],
    ]
    bad_chunks = rng.choice(cases)
    for payload in bad_chunks:
        if connection.is_closed:
            raise PropertyViolation("the link was closed before the invalid chunk")
        connection.feed(encoder.encode(payload))
    if not connection.is_closed or target.items:
        raise PropertyViolation(f"an invalid chunk was accepted: {bad_chunks[-1][:20]!r}")
    return len(bad_chunks)


def _chunk(lane: int, to_come: int, data: bytes) -> bytes:
    return b"\xc1" + bytes((lane,)) + to_come.to_bytes(4, "big") + data


def _check_memory(target: FuzzTarget) -> None:
    for link in target.peers.links.values():
        held = [assembler.held_bytes for assembler in link._assemblers]  # noqa: SLF001 (there is no public counter)
        if max(held) > 2 * CONFIG.message_cap_bytes:
            raise PropertyViolation(f"{held} bytes wait for the rest of their items")


# --- untrusted peers --------------------------------------------------------------------------------------------------


class UntrustedPeer:
    """A peer without the node key that has recorded handshakes and knows a client key.

    Half of them follow the handshake of a node up to the proof; the others send arbitrary payloads.
    """

    def __init__(self, rng: random.Random, recorded: Sequence[bytes]) -> None:
        self._rng = rng
        self._follows_protocol = rng.random() < 0.5
        self._recorded = recorded
        self._hello = b""

    def payload(self, received: Sequence[bytes]) -> bytes:
        """Return a payload to send after `received`."""
        rng = self._rng
        if self._follows_protocol:
            return self._forged_proof(received) if self._hello else self._plausible_hello()
        moves: list[Callable[[], bytes]] = [
            lambda: rng.choice(self._recorded),  # replay
            lambda: rng.choice(received or self._recorded),  # reflection
            self._forged_hello,
            self._forged_hello,
            lambda: self._forged_proof(received),
            lambda: self._forged_proof(received),
            self._forged_answer,
            lambda: _mutated(rng, rng.choice(self._recorded)),
            lambda: join([b"\x01"]),  # items before the handshake is done
            lambda: rng.randbytes(rng.randrange(100)),
        ]
        payload = rng.choice(moves)()
        if payload.startswith(b"\x9b\xadcoterie.hello"):
            self._hello = payload
        return payload

    def _peer(self) -> Peer:
        rng = self._rng
        name = rng.choice(("victim", "friend", "other", "x" * 128))
        return Peer(name, rng.choice((1, 2, 2**64 - 1)), rng.choice(list(PeerRole)))

    def _plausible_hello(self) -> bytes:
        rng = self._rng
        peer = Peer(rng.choice(("friend", "other")), rng.getrandbits(64), rng.choice(list(PeerRole)))
        self._hello = Hello(*VERSIONS, "fuzz", peer, 0, rng.getrandbits(64), "", rng.randbytes(NONCE_BYTES)).encode()
        return self._hello

    def _forged_hello(self) -> bytes:
        rng = self._rng
        low, high = rng.choice((VERSIONS, VERSIONS, (2, 2), (3, 3), (0, 0), (4, 9), (9, 1), (0, 2**32 - 1)))
        cluster, receiver = rng.choice(("fuzz", "fuzz", "other", "")), rng.choice(("", "victim", "other"))
        nonce = rng.choice((b"", rng.randbytes(NONCE_BYTES), bytes(NONCE_BYTES)))
        return Hello(low, high, cluster, self._peer(), rng.randrange(2), rng.choice((1, 2)), receiver, nonce).encode()

    def _forged_proof(self, received: Sequence[bytes]) -> bytes:
        rng = self._rng
        key, side = rng.choice((FOREIGN_KEY, CLIENT_KEY)), rng.choice(list(HandshakeSide))
        challenge = received[-1] if received else b""
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


def untrusted_dialers(target: FuzzTarget, rng: random.Random, recorded: Sequence[bytes]) -> int:
    """Dial the target as an untrusted peer: it may not be accepted as a node, and nothing may be delivered."""
    count = 0
    for _ in range(rng.randrange(1, 4)):
        connection, encoder, decoder, received = target.connect(), FrameEncoder(), FrameDecoder(4096), list[bytes]()
        untrusted, at = UntrustedPeer(rng, recorded), 0
        for _ in range(rng.randrange(1, 6)):
            connection.feed(encoder.encode(untrusted.payload(received)))
            count += 1
            decoder.feed(bytes(connection.received[at:]))
            at = len(connection.received)
            while (payload := decoder.next_payload()) is not None:
                received.append(payload)
    # With the client key they may be accepted as clients, but never as nodes.
    peers = [link.peer for link in target.peers.links.values()]
    halves = [peer for peer, _ in target.acceptor._unpaired]  # noqa: SLF001 (there is no public list)
    if any(peer.role is PeerRole.NODE for peer in peers + halves) or (target.items and not peers):
        raise PropertyViolation(f"an untrusted peer was accepted: {peers}, {halves}, {target.items}")
    return count


def untrusted_acceptor(rng: random.Random, recorded: Sequence[bytes]) -> int:
    """Let a node dial an untrusted peer: no answer of it may be accepted."""
    me = replace(TARGET, node="dialer", incarnation=rng.getrandbits(64))
    count = 0
    for _ in range(8):
        credentials = Credentials(AUTH, fresh_nonce(AUTH, rng))
        handshake = DialerHandshake(me, lane_class=rng.randrange(2), link_id=1, credentials=credentials)
        untrusted, received = (
            UntrustedPeer(rng, [*recorded, Welcome(VERSIONS[1], "fuzz", peer_of(TARGET)).encode()]),
            [handshake.hello],
        )
        try:
            for _ in range(4):
                count += 1
                step = handshake.receive(untrusted.payload(received))
                if isinstance(step, Passed):
                    raise PropertyViolation(f"an untrusted peer was accepted: {step}")
                if not isinstance(step, Continue):
                    break
                received.append(step.reply)
        except BrokenFrame:
            continue
    return count
