"""A load generator that costs next to nothing: gRPC streams over HTTP/2, by hand.

grpc.aio needs as much CPU for a message as a bare server does, so on few cores it would measure
itself. This one knows only what it needs. Windows are opened so wide at the start that none runs
out; what it sends is one small message a stream at a time, which no server holds back.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from google.protobuf.message import Message

_DATA, _HEADERS, _RST, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_ACK = _END_STREAM = 1
_END_HEADERS = 4
_CANCEL = (8).to_bytes(4, "big")
_WIDEST: Final = 2**31 - 1
_NO_PUSH_WIDE_STREAMS = struct.pack(">HIHI", 2, 0, 4, _WIDEST)
_HEAD = struct.Struct(">HBBBI")  # length in 2 + 1 bytes, type, flags, stream


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return _HEAD.pack(len(payload) >> 8, len(payload) & 255, kind, flags, stream) + payload


def _text(data: bytes) -> bytes:
    return bytes([len(data)]) + data


def _request(method: str) -> bytes:
    """HPACK without compression: what has a static number by it, the rest spelled."""
    path = f"/incumbent.v1.ElectionService/{method}".encode()
    return b"".join((
        b"\x83\x86\x04", _text(path), b"\x01", _text(b"localhost"),
        b"\x00", _text(b"content-type"), _text(b"application/grpc"),
        b"\x00", _text(b"te"), _text(b"trailers"),
    ))  # fmt: skip


class Stream:
    """One gRPC stream; what it makes of a message is for the kinds of it to say."""

    method = ""

    def __init__(self) -> None:
        self.ended = False
        self._connection: Connection | None = None
        self._number = 0

    def attach(self, connection: "Connection", number: int) -> None:
        """Belong to a connection."""
        self._connection, self._number = connection, number

    def take(self, message: bytes) -> bytes:
        """Take in a response; return what to send next, if anything."""
        raise NotImplementedError

    def end(self) -> None:
        """The server has ended it."""
        self.ended = True

    def message(self, request: Message, *, last: bool = False) -> bytes:
        """Make the frame of a request; nothing follows the last one."""
        body = request.SerializeToString()
        content = b"\x00" + len(body).to_bytes(4, "big") + body
        return _frame(_DATA, _END_STREAM if last else 0, self._number, content)

    def send(self, frames: bytes) -> None:
        """Send frames on its connection."""
        assert self._connection is not None
        self._connection.send(frames)

    def cancel(self) -> None:
        """Give it up."""
        self.send(_frame(_RST, 0, self._number, _CANCEL))


Kind = TypeVar("Kind", bound=Stream)


class Connection(asyncio.Protocol):
    """One HTTP/2 connection and its streams."""

    def __init__(self) -> None:
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

    def open(self, stream: Kind, request: Message, *, half_close: bool = False) -> Kind:
        """Open a stream with its first message, which is the last one where it is half-closed."""
        number = 2 * len(self.streams) + 1
        stream.attach(self, number)
        self.streams[number] = stream
        head = _frame(_HEADERS, _END_HEADERS, number, _request(stream.method))
        self.send(head + stream.message(request, last=half_close))
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
        """Tell the stream; 0: all of them."""
        for stream in self.streams.values() if number == 0 else [self.streams[number]]:
            if not stream.ended:
                stream.end()


@asynccontextmanager
async def connections(address: str, count: int) -> AsyncIterator[Sequence[Connection]]:
    """Open so many connections to a server."""
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    made: list[Connection] = []
    try:
        while len(made) < count:
            _, connection = await loop.create_connection(Connection, host, int(port))
            made.append(connection)
        yield made
    finally:
        for connection in made:
            connection.close()
