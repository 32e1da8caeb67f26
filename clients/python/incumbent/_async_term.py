"""A term for asyncio. Its twin is _sync_term.py: same names, signatures and docstrings."""

import asyncio
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeVar

from incumbent._engine import Engine
from incumbent._plan import Plan, to_value
from incumbent._term import ONE_EACH, BaseTerm
from incumbent.errors import Closed

T = TypeVar("T")


async def wait(future: Future[T]) -> T:
    """Await a result; whatever interrupts the waiting ends the work too."""
    try:
        return await wait_only(future)
    except asyncio.CancelledError:
        future.cancel()
        raise


async def wait_only(future: Future[T]) -> T:
    """Await a result; the work goes on, whatever interrupts the waiting."""
    wrapped = asyncio.wrap_future(future)
    try:
        return await asyncio.shield(wrapped)
    except asyncio.CancelledError:
        if wrapped.cancelled() and not _cancelling():
            raise Closed("this client is closed") from None
        raise


def _cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class _Body:
    """The task that works under a term, to be cancelled when the term is lost."""

    def __init__(self, lost: asyncio.Event) -> None:
        self._lost = lost
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0  # by others, when it began
        self._cancelled = False

    def bind(self) -> None:
        """Learn which loop to tell."""
        self._loop = asyncio.get_running_loop()

    def check(self) -> None:
        """Raise RuntimeError where another task is the body: a loss cancels one."""
        if self._task not in (None, asyncio.current_task()) and not self._task.done():
            raise RuntimeError(f"this term is being used by another task: {ONE_EACH}")

    def begin(self) -> None:
        """From now on the present task is the body."""
        self._task = asyncio.current_task()
        assert self._task is not None
        self._cancelling = self._task.cancelling()

    def end(self) -> bool:
        """The body is over; tell whether it was cancelled for the loss, and for nothing else."""
        task, self._task = self._task, None
        return self._cancelled and task is not None and task.uncancel() <= self._cancelling

    def over(self) -> None:
        """From the client's thread: the term is over."""
        assert self._loop is not None
        with suppress(RuntimeError):  # that loop was closed
            self._loop.call_soon_threadsafe(self._over)

    def _over(self) -> None:
        self._lost.set()
        if self._task is not None:
            self._cancelled = True
            self._task.cancel()


class AsyncTerm(BaseTerm):
    """One term of leadership, as `AsyncClient.campaign` makes it; `async with` enters it.

    Entering waits until it leads. A loss cancels the body, and the block ends as LeadershipLost.
    Leaving resigns, so the body has stopped by then.

    Example:
        >>> async with client.campaign("docs/term", candidate="node-a") as term:
        ...     while term.held:
        ...         work(fence=term.token)
        ...         break
        worked

    """

    lost: asyncio.Event
    """Set as soon as the term is over, for whatever reason; to wait on."""

    def __init__(self, client: object, engine: Engine, plan: Plan) -> None:
        """Not for callers: see `AsyncClient.campaign`."""
        self.lost = asyncio.Event()
        self._body = _Body(self.lost)
        super().__init__(client, engine, plan, self._body.over)

    async def win(self) -> None:
        """Campaign, without a body to be cancelled. Not for callers: see `AsyncClient.terms`."""
        with self._entering():
            if self._campaign is None:
                await self._win()

    async def _win(self) -> None:
        self._body.bind()
        try:
            self._campaign = await wait(self._engine.elect(self._bid))
        except BaseException:
            self._engine.leave(self._bid)
            self._leaves()
            self._client = None
            raise

    async def __aenter__(self) -> Self:
        """Wait until it leads. Raises NotElected, Unavailable, Refused, Closed.

        RuntimeError where the term is over, or is being entered elsewhere.
        """
        await self.win()
        self._body.check()
        if self.lost.is_set():  # already: there is no body to be cancelled
            await self.leave()
            raise self._lost()
        self._body.begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Resign, and wait for the answer, up to 2 s. Does nothing in a forked child."""
        lost = not self.held
        cancelled = self._body.end()
        await self.leave()
        if (lost and kind is None) or (cancelled and kind is asyncio.CancelledError):
            raise self._lost() from error

    async def leave(self) -> None:
        """Resign, whether entered or not. Not for callers: see `AsyncClient.terms`."""
        self._leaves()
        with suppress(Closed):
            await wait_only(self._engine.submit(self._bid.leave))
        self._client = None

    async def proclaim(self, value: bytes) -> None:
        """Change what is proclaimed, 4,096 bytes at most; return when the store has confirmed it.

        Raises LeadershipLost, ValueError, and Unavailable when no answer came: the value may come
        about or not.

        Example:
            >>> async with client.campaign("docs/proclaim") as term:
            ...     await term.proclaim(b"10.0.0.7:80")
            ...     print(term.value)
            b'10.0.0.7:80'

        """
        checked, campaign = to_value(value), self._elected()
        await wait(self._engine.submit(lambda: campaign.proclaim(checked)))
