"""A load generator that costs next to nothing: Campaign streams over HTTP/2, by hand.

grpc.aio needs as much CPU for a message as a bare server does, so on few cores it would measure
itself. This one knows only what it needs: it opens streams, and to each message that comes in it
sends the next heartbeat at once. Windows are opened so wide at the start that none runs out; what
it sends is one small message a stream at a time, which no server holds back.
"""

import asyncio
import struct
from collections.abc import Callable
from typing import Final

from incumbent.v1 import election_service_pb2 as pb

_DATA, _HEADERS, _RST, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_ACK = _END_STREAM = 1
_END_HEADERS = 4
_WIDEST: Final = 2**31 - 1
_NO_PUSH_WIDE_STREAMS = struct.pack(">HIHI", 2, 0, 4, _WIDEST)
_HEAD = struct.Struct(">HBBBI")  # length in 2 + 1 bytes, type, flags, stream
_PATH = b"/incumbent.v1.ElectionService/Campaign"


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return _HEAD.pack(len(payload) >> 8, len(payload) & 255, kind, flags, stream) + payload


def _text(data: bytes) -> bytes:
    return bytes([len(data)]) + data


# HPACK without compression: POST, http, path and authority by their static names, the rest spelled.
_REQUEST = b"".join((
    b"\x83\x86\x04", _text(_PATH), b"\x01", _text(b"localhost"),
    b"\x00", _text(b"content-type"), _text(b"application/grpc"),
    b"\x00", _text(b"te"), _text(b"trailers"),
))  # fmt: skip


class Stream:
    """One Campaign stream; it leads once `leading` is done, and beats while its connection does."""

    __slots__ = ("_connection", "_number", "answered", "ended", "last", "leading", "sequence")

    def __init__(self, connection: "Connection", number: int) -> None:
        self._connection = connection
        self._number = number
        self.sequence = 0
        self.answered = 0
        self.last = b""
        self.ended = False
        self.leading: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self, message: bytes) -> bytes:
        """Take in a response; return what to send next, if anything."""
        self.last = message
        if not self.leading.done():
            if pb.CampaignResponse.FromString(message).state == pb.STATE_LEADING:
                self.leading.set_result(None)
            return b""
        self.answered += 1
        return self.beat() if self._connection.beating() else b""

    def beat(self) -> bytes:
        """Make the frame of the next heartbeat."""
        self.sequence += 1
        return self.message(pb.CampaignRequest(heartbeat=pb.Heartbeat(sequence=self.sequence)))

    def message(self, request: pb.CampaignRequest) -> bytes:
        body = request.SerializeToString()
        return _frame(_DATA, 0, self._number, b"\x00" + len(body).to_bytes(4, "big") + body)


class Connection(asyncio.Protocol):
    """One HTTP/2 connection and its streams. `beating` says whether heartbeats go on."""

    def __init__(self, beating: Callable[[], bool]) -> None:
        self.beating = beating
        self.streams: dict[int, Stream] = {}
        self._transport: asyncio.Transport | None = None
        self._unread = b""
        self._partial: dict[int, bytes] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        wider = (_WIDEST - 65_535).to_bytes(4, "big")
        transport.write(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + _frame(_SETTINGS, 0, 0, _NO_PUSH_WIDE_STREAMS)
            + _frame(8, 0, 0, wider)
        )

    def enter(self, request: pb.Enter) -> Stream:
        """Open a stream and enter."""
        number = 2 * len(self.streams) + 1
        stream = self.streams[number] = Stream(self, number)
        entering = stream.message(pb.CampaignRequest(enter=request))
        self.send(_frame(_HEADERS, _END_HEADERS, number, _REQUEST) + entering)
        return stream

    def send(self, frames: bytes) -> None:
        assert self._transport is not None
        self._transport.write(frames)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(0)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        data = self._unread + data
        place, answers = 0, []
        while len(data) >= place + 9:
            high, low, kind, flags, number = _HEAD.unpack_from(data, place)
            end = place + 9 + (high << 8 | low)
            if len(data) < end:
                break
            answers.append(self._frame(kind, flags, number, data[place + 9 : end]))
            place = end
        self._unread = data[place:]
        if frames := b"".join(answers):
            self.send(frames)

    def _frame(self, kind: int, flags: int, number: int, payload: bytes) -> bytes:
        if kind == _DATA:
            return self._messages(number, payload)
        if kind in (_SETTINGS, _PING) and not flags & _ACK:
            return _frame(kind, _ACK, 0, payload if kind == _PING else b"")
        ended = kind == _HEADERS and flags & _END_STREAM
        if ended or kind in (_RST, _GOAWAY):
            self._ended(number)
        return b""

    def _messages(self, number: int, payload: bytes) -> bytes:
        stream, answers = self.streams[number], b""
        payload = self._partial.pop(number, b"") + payload
        while len(payload) >= 5:
            end = 5 + int.from_bytes(payload[1:5], "big")
            if len(payload) < end:
                break
            answers += stream.take(payload[5:end])
            payload = payload[end:]
        if payload:
            self._partial[number] = payload
        return answers

    def _ended(self, number: int) -> None:
        """A server never ends such a stream by itself: whoever waits for it hears of it."""
        gone = self.streams.values() if number == 0 else [self.streams[number]]
        for stream in gone:
            stream.ended = True
            if not stream.leading.done():
                stream.leading.set_exception(ConnectionError("the server ended a stream"))
