"""What a term tells without waiting: the same for Term and AsyncTerm."""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Lock

from incumbent._bid import Bid
from incumbent._campaign import Campaign
from incumbent._clock import boottime
from incumbent._engine import Engine
from incumbent._plan import Plan
from incumbent._target import seconds
from incumbent.errors import LeadershipLost
from incumbent.values import Leader

TOO_LITTLE_TIME = "TOO_LITTLE_TIME"
FORKED = "FORKED"
ONE_EACH = "each thread and each task campaigns for a term of its own"


class BaseTerm:
    """A leadership that is wanted, held, or over."""

    def __init__(
        self, client: object, engine: Engine, plan: Plan, on_over: Callable[[], None]
    ) -> None:
        self._client: object = client  # lives as long as its terms, even where nobody else holds it
        self._engine = engine
        self._bid = Bid(plan, on_over)
        self._campaign: Campaign | None = None  # once it was elected
        self._left = False
        self._entry = Lock()  # whoever campaigns with it
        self._given_up = weakref.finalize(self, engine.leave, self._bid)
        self._given_up.atexit = False  # the engine's own end does it

    def __repr__(self) -> str:
        state = "not elected" if self._campaign is None else f"token={self.token} held={self.held}"
        return f"<{type(self).__name__} {self.election!r} {state}>"

    @property
    def election(self) -> str:
        """The name of the election."""
        return self._bid.plan.election

    @property
    def held(self) -> bool:
        """Whether this process leads, by the clock at this call. Once false, false for ever.

        False in a forked child, before the term is entered, and as soon as it is left.
        """
        if self._campaign is None or self._left or self._engine.forked:
            return False
        return self._campaign.held()

    def remaining(self) -> float:
        """Tell for how many seconds trust still runs, from now; 0.0 if it is not held.

        It grows with each answered heartbeat, to somewhat less than the lesser of `ttl` and the
        backend ttl.

        Example:
            >>> with client.campaign("docs/remaining", ttl=10) as term:
            ...     print(9 < term.remaining() < 10)
            True

        """
        return max(0.0, self.until - boottime()) if self.held else 0.0

    @property
    def until(self) -> float:
        """The instant at which trust ends, in seconds of CLOCK_BOOTTIME; -inf if it is not held.

        For handing on to another process of the same machine.
        """
        return self._campaign.until if self._campaign is not None and self.held else float("-inf")

    def guard(self, min_remaining: float | timedelta = 0.0) -> None:
        """Raise LeadershipLost unless the term is held for `min_remaining` seconds more.

        Called before a piece of work, with the time that the work takes.

        Example:
            >>> with client.campaign("docs/guard", ttl=10) as term:
            ...     term.guard(min_remaining=2)
            ...     work(fence=term.token)
            worked

        """
        least = seconds(min_remaining, "min_remaining")
        if not self.held:
            raise self._lost()
        if self.remaining() < least:
            raise LeadershipLost(self.election, self.token, TOO_LITTLE_TIME)

    def _lost(self) -> LeadershipLost:
        if self._engine.forked:
            return LeadershipLost(self.election, self.token, FORKED)
        return self._elected().lost()

    @property
    def token(self) -> int:
        """The fencing token: greater than that of every earlier term of the election.

        Hand it to whatever you write to, which refuses any token below the highest that it has
        seen. RuntimeError before the election is won.
        """
        return self._own.token

    @property
    def value(self) -> bytes:
        """What is proclaimed, as the gateway told last. RuntimeError before the election is won."""
        return self._own.value

    @property
    def candidate(self) -> str:
        """The label, the gateway's own making if none was given; "" while that is not known."""
        return self._bid.plan.candidate if self._campaign is None else self._own.candidate

    @property
    def begin_time(self) -> datetime:
        """When the term began, by its gateway's wall clock. RuntimeError before it is won."""
        return self._own.begin_time

    @property
    def credential(self) -> str:
        """The secret by which `resign` can end this term from outside. Not for logs.

        RuntimeError before the election is won.
        """
        return self._elected().credential

    @property
    def reason(self) -> str:
        """Why it is over, as in LeadershipLost; "" while it is not, and after it was left."""
        return "" if self._campaign is None else self._campaign.reason

    @property
    def _own(self) -> Leader:
        own = self._elected().term
        assert own is not None
        return own

    @contextmanager
    def _entering(self) -> Iterator[None]:
        """Keep everybody else from entering meanwhile: a term has one campaign."""
        if not self._entry.acquire(blocking=False):
            raise RuntimeError(f"this term is being entered elsewhere: {ONE_EACH}")
        try:
            if self._left:
                raise RuntimeError("this term is over: campaign for another one")
            yield
        finally:
            self._entry.release()

    def _leaves(self) -> None:
        self._left = True
        self._given_up.detach()

    def _elected(self) -> Campaign:
        if self._campaign is None:
            raise RuntimeError("not elected yet: enter the term first, `with term:`")
        return self._campaign
