"""The thread of a client: an event loop on which everything of it happens.

A body that blocks the caller's loop, or burns its CPU, therefore starves no heartbeat. The thread
starts with the first call and ends with `close`. It knows neither clients nor terms: what is given
up without being closed can be collected, and ends what it left open.
"""

import asyncio
import atexit
import logging
import os
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from threading import Event, RLock, Thread, current_thread
from typing import Any, TypeVar

from incumbent._bid import Bid
from incumbent._calls import Calls
from incumbent._campaign import LEAVE_WITHIN, Campaign
from incumbent._channels import Channels
from incumbent._target import Target
from incumbent.errors import Closed
from incumbent.values import Observation

T = TypeVar("T")
NO_GRPC = (
    "the parent of this process used gRPC before it forked, and gRPC cannot go on in such a child: "
    "make the first client after forking, or start the child anew (multiprocessing: spawn)"
)
CLOSE_WITHIN = 2 * LEAVE_WITHIN + 1  # seconds; after that the thread is left to itself

log = logging.getLogger("incumbent")


class Engine:
    """Runs the bids and calls of one client."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._pid = os.getpid()
        self._lock = RLock()  # a finalizer may run in the middle of anything, submit included
        self._thread: Thread | None = None
        self._closed = ""  # why it takes no more work
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._ready = Event()  # the thread is at work, or never will be
        self._ended: Future[None] = Future()
        self._pending: set[Future[Any]] = set()
        self._bids: set[Bid] = set()
        _engines.add(self)

    @property
    def forked(self) -> bool:
        """Whether this process is a child of the one that it was made in."""
        return os.getpid() != self._pid

    @property
    def used(self) -> bool:
        """Whether it has begun."""
        return self._thread is not None

    # -- from any thread

    def submit(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """Have the coroutine that `work` makes run on the thread. Raises Closed."""
        if self.forked:
            raise Closed("this client belongs to the parent of this process: make another one")
        with self._lock:
            self._check_open()
            if _parent_used_grpc:
                raise Closed(NO_GRPC)
            if self._thread is None:
                self._start()
        self._ready.wait()
        with self._lock:  # so that `close` comes after it: what is begun is also ended
            self._check_open()
            future = self._begin(work())
            self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        return future

    def _begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        assert self._loop is not None
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError as error:  # the loop is over, and will say so in a moment
            work.close()
            raise Closed("this client's thread has ended") from error

    def _check_open(self) -> None:
        if self._closed:
            raise Closed(self._closed)

    def _start(self) -> None:
        thread = Thread(target=self._serve, name="incumbent-client", daemon=True)
        thread.start()
        self._thread = thread

    def elect(self, bid: Bid) -> Future[Campaign]:
        """Campaign until it leads."""
        return self.submit(lambda: self._elect(bid))

    def leave(self, bid: Bid) -> None:
        """Have a bid end, soon; from wherever, even where this client is closed."""
        if self._ready.is_set():  # else nothing was submitted
            with suppress(Closed):
                self.submit(bid.leave)

    def call(self, work: Callable[[Calls], Coroutine[Any, Any, T]]) -> Future[T]:
        """Make a call that is no campaign."""
        return self.submit(lambda: work(self._calls))

    def observe(self, election: str | None, prefix: str) -> "Stream":
        """Begin to observe."""
        return Stream(self, election, prefix)

    def close(self, *, wait: bool = True) -> None:
        """Resign every term, withdraw every candidate, close every connection. Idempotent."""
        if self.forked:
            return
        with self._lock:
            self._closed = self._closed or "this client is closed"
            thread = self._thread
            if self._loop is not None and self._ready.is_set():
                with suppress(RuntimeError):  # it is over already
                    self._loop.call_soon_threadsafe(self._stopping.set)
        if wait and thread is not None and thread is not current_thread():
            thread.join(CLOSE_WITHIN)

    async def closed(self) -> None:
        """Wait for the end after `close`, on a loop of the caller's."""
        if self._thread is not None and not self.forked:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_WITHIN):
                    await asyncio.shield(asyncio.wrap_future(self._ended))

    # -- on the thread

    def _serve(self) -> None:
        try:
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                self._loop.set_exception_handler(_ignore_lost_race)
                try:
                    runner.run(self._main())
                except BaseException as error:  # noqa: BLE001 - before it ends what is under way
                    self._dies(error)
        except BaseException as error:  # noqa: BLE001 - no loop can be had
            self._dies(error)
        finally:
            self._over()

    def _dies(self, error: BaseException) -> None:
        self._closed = f"this client's thread has ended: {type(error).__name__}: {error}"
        log.critical("%s", self._closed, exc_info=error)

    async def _main(self) -> None:
        self._campaigns = Channels(self._target)
        self._others = Channels(self._target)  # connections of their own: heartbeats go first
        self._calls = Calls(self._others, self._target)
        with self._lock:
            self._ready.set()
            if self._closed:  # meanwhile
                self._stopping.set()
        await self._stopping.wait()
        await asyncio.gather(*(bid.leave() for bid in self._bids), return_exceptions=True)
        await self._campaigns.close()
        await self._others.close()

    def _over(self) -> None:
        """Let nobody wait for a thread that works no more, nor believe what it told."""
        self._ready.set()
        with self._lock:
            self._closed = self._closed or "this client is closed"
            pending, bids = list(self._pending), list(self._bids)
        for bid in bids:
            bid.drop()
        for future in pending:
            with suppress(InvalidStateError):  # it has just ended
                future.set_exception(Closed(self._closed))
        self._ended.set_result(None)

    async def _elect(self, bid: Bid) -> Campaign:
        self._bids.add(bid)
        try:
            campaign = await bid.elect(self._campaigns, self._target)
        except BaseException:
            self._bids.discard(bid)
            raise
        campaign.when_over(lambda: self._bids.discard(bid))
        return campaign


class Stream:
    """An Observe stream that is read from other threads, one message at a time."""

    def __init__(self, engine: Engine, election: str | None, prefix: str) -> None:
        self._engine = engine
        self._scope = election, prefix
        self._messages: AsyncGenerator[Observation, None] | None = None

    def next(self) -> Future[Observation]:
        """Fetch the next message."""
        return self._engine.call(self._next)

    async def _next(self, calls: Calls) -> Observation:
        if self._messages is None:
            self._messages = calls.observe(*self._scope)
        return await anext(self._messages)

    def close(self) -> None:
        """End the stream, soon."""
        with suppress(Closed):
            self._engine.submit(self._close)

    async def _close(self) -> None:
        if self._messages is not None:
            await self._messages.aclose()


def _ignore_lost_race(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Before 1.80 grpcio raises where another loop of the process was the first to read its socket.

    Nothing is lost by it, but it would fill the log as soon as there are two clients.
    """
    if not isinstance(context.get("exception"), BlockingIOError):
        loop.default_exception_handler(context)


_engines: "weakref.WeakSet[Engine]" = weakref.WeakSet()
_parent_used_grpc = False


def _forked() -> None:
    global _parent_used_grpc  # noqa: PLW0603 - it is about this process
    _parent_used_grpc = _parent_used_grpc or any(engine.used for engine in _engines)


os.register_at_fork(after_in_child=_forked)


@atexit.register
def _close_all() -> None:
    """The interpreter ends: what is still led is resigned."""
    engines = list(_engines)
    for engine in engines:
        engine.close(wait=False)
    for engine in engines:
        engine.close()
