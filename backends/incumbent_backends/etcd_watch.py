"""Watching a namespace in etcd: list it, then follow its keys from that revision on.

Where history was compacted under the watch the namespace is listed anew, and what differs from
what is known is told. A stream that stays silent when asked for its progress is given up.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress

import grpc

from incumbent_backends import etcd_pb2 as pb
from incumbent_backends.api import BackendError, Snapshot, Synced, Unavailable
from incumbent_backends.audience import Subscriber
from incumbent_backends.etcd_client import RANGE, WATCH, Client, Link
from incumbent_backends.etcd_terms import VACANT, Space

ASK_EVERY = 1.0  # seconds of silence after which the stream is asked for its progress
SILENCE = 4.0  # seconds of silence that end it

Stream = grpc.aio.StreamStreamCall[pb.WatchRequest, pb.WatchResponse]


class EtcdWatch:
    """One watch(): a task that follows, and the latest news that its reader has not fetched."""

    def __init__(self, client: Client, space: Space) -> None:
        self._client = client
        self._space = space
        self._known: dict[str, object] = {}  # led elections, with their versions
        self._reader = Subscriber()

    async def items(self) -> AsyncGenerator[Snapshot | Synced, None]:
        following = asyncio.create_task(self._follow())
        try:
            async for item in self._reader.items():
                yield item
        finally:
            following.cancel()
            await asyncio.wait({following})

    async def _follow(self) -> None:
        try:
            revision = await self._list()
            self._reader.tell((), synced=True)
            while True:
                await self._stream(revision)
                revision = await self._list()
        except BackendError as error:
            self._reader.fail(str(error))
        except Exception as error:  # noqa: BLE001 whatever it is, the reader must hear of it
            self._reader.fail(f"the watch of etcd has failed: {error!r}")

    async def _list(self) -> int:
        """Take in the whole namespace as it is now; return the revision of that."""
        listed = await self._client.call(
            RANGE, pb.RangeRequest(key=self._space.terms, range_end=self._space.end)
        )
        here = {self._space.election(kv.key) for kv in listed.kvs}
        for election in self._known.keys() - here:
            self._take(Snapshot(election, VACANT, None))
        for kv in listed.kvs:
            snapshot = self._space.snapshot(kv)
            if snapshot.version != self._known.get(snapshot.election, VACANT):
                self._take(snapshot)
        return listed.header.revision

    def _take(self, snapshot: Snapshot) -> None:
        if snapshot.term is None:
            self._known.pop(snapshot.election, None)
        else:
            self._known[snapshot.election] = snapshot.version
        self._reader.tell([snapshot])

    def _changes(self, events: Iterable[pb.Event], listed: int) -> None:
        for event in events:
            if event.kv.mod_revision <= listed:
                continue
            kv = pb.KeyValue(key=event.kv.key) if event.type is pb.Event.DELETE else event.kv
            self._take(self._space.snapshot(kv))

    async def _stream(self, revision: int) -> None:
        """Follow until history is compacted under it. Raises BackendError.

        From the listed revision, which is known, and not the next one: of a watch that begins in
        the future etcd tells no progress.
        """
        link = await self._client.link()
        stream = self._client.stream(link, WATCH)
        try:
            create = pb.WatchCreateRequest(
                key=self._space.terms, range_end=self._space.end, start_revision=revision
            )
            await stream.write(pb.WatchRequest(create_request=create))
            await self._read(link, stream, revision)
        except grpc.aio.AioRpcError as error:
            raise self._client.failed(link, error) from error
        except asyncio.InvalidStateError as error:
            raise Unavailable("etcd has ended the watch") from error
        finally:
            stream.cancel()

    async def _read(self, link: Link, stream: Stream, listed: int) -> None:
        loop = asyncio.get_running_loop()
        heard = loop.time()
        left = asyncio.create_task(link.left.wait())
        reading: asyncio.Task[object] | None = None
        try:
            while True:
                reading = reading or asyncio.create_task(stream.read())
                await asyncio.wait(
                    {reading, left}, timeout=ASK_EVERY, return_when=asyncio.FIRST_COMPLETED
                )
                if reading.cancelled():  # by the end of its channel, not by us
                    raise Unavailable("the connection to etcd that was watched is closed")
                if reading.done():
                    told, reading, heard = reading.result(), None, loop.time()
                    if not isinstance(told, pb.WatchResponse):
                        raise Unavailable("etcd has ended the watch")
                    if self._compacted(told, listed):
                        return
                elif left.done():
                    raise Unavailable("the member of etcd that was watched has been given up")
                elif loop.time() - heard >= SILENCE:
                    self._client.silent(link)
                    raise Unavailable("the watch of etcd is silent")
                else:
                    progress = pb.WatchRequest(progress_request=pb.WatchProgressRequest())
                    await stream.write(progress)
        finally:
            for task in (left, reading):
                if task is not None:
                    task.cancel()
                    with suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
                        await task

    def _compacted(self, told: pb.WatchResponse, listed: int) -> bool:
        """Take in an answer; return whether the watch was ended by compaction."""
        self._client.check(told)
        if told.canceled:
            if told.compact_revision:
                return True
            if "permission" in told.cancel_reason:
                raise Unavailable("this user may not watch Incumbent's keys in etcd")
            if "token" in told.cancel_reason:
                raise Unavailable("the token of etcd's authentication has expired")
            raise Unavailable("etcd has ended the watch")
        self._changes(told.events, listed)
        return False
