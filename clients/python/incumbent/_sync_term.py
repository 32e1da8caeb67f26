"""A term for threads. Its twin is _async_term.py: same names, signatures and docstrings."""

import threading
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeVar

from incumbent._engine import Engine
from incumbent._plan import Plan, to_value
from incumbent._term import BaseTerm
from incumbent.errors import Closed

T = TypeVar("T")


def wait(future: Future[T]) -> T:
    """Block for a result; whatever interrupts the waiting ends the work too."""
    try:
        return wait_only(future)
    except BaseException:
        future.cancel()
        raise


def wait_only(future: Future[T]) -> T:
    """Block for a result; the work goes on, whatever interrupts the waiting."""
    try:
        return future.result()
    except CancelledError:
        raise Closed("this client is closed") from None


class Term(BaseTerm):
    """One term of leadership, as `Client.campaign` makes it; the `with` statement enters it.

    Entering blocks until it leads. A loss raises nothing by itself: the body looks at `held`, or
    calls `guard`, before each piece of work. Leaving resigns, so the body has stopped by then.

    Example:
        >>> with client.campaign("docs/term", candidate="node-a") as term:
        ...     while term.held:
        ...         work(fence=term.token)
        ...         break
        worked

    """

    lost: threading.Event
    """Set as soon as the term is over, for whatever reason; to wait on."""

    def __init__(self, client: object, engine: Engine, plan: Plan) -> None:
        """Not for callers: see `Client.campaign`."""
        self.lost = threading.Event()
        super().__init__(client, engine, plan, self.lost.set)

    def _win(self) -> None:
        try:
            self._campaign = wait(self._engine.elect(self._bid))
        except BaseException:
            self._engine.leave(self._bid)
            self._leaves()
            self._client = None
            raise

    def __enter__(self) -> Self:
        """Wait until it leads. Raises NotElected, Unavailable, Refused, Closed.

        RuntimeError where the term is over, or is being entered elsewhere.
        """
        with self._entering():
            if self._campaign is None:
                self._win()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Resign, and wait for the answer, up to 2 s. Does nothing in a forked child."""
        self._leaves()
        with suppress(Closed):
            wait_only(self._engine.submit(self._bid.leave))
        self._client = None

    def proclaim(self, value: bytes) -> None:
        """Change what is proclaimed, 4,096 bytes at most; return when the store has confirmed it.

        Raises LeadershipLost, ValueError, and Unavailable when no answer came: the value may come
        about or not.

        Example:
            >>> with client.campaign("docs/proclaim") as term:
            ...     term.proclaim(b"10.0.0.7:80")
            ...     print(term.value)
            b'10.0.0.7:80'

        """
        checked, campaign = to_value(value), self._elected()
        wait(self._engine.submit(lambda: campaign.proclaim(checked)))
