"""A candidacy at work: its state machine, driven over the streams that it asks for.

    Term ──► Campaign ──► Candidacy (_state.py, pure)
                │  ▲            what to send, what to believe
                ▼  │
             Stream, …          one an attempt; older ones live until a newer one is answered

Everything here runs on the client's own thread, but for what is marked as for any.
"""

import asyncio
import logging
import math
import random
import secrets
from collections.abc import Callable
from contextlib import suppress
from threading import RLock

from incumbent._calls import Calls
from incumbent._channels import Channels
from incumbent._clock import boottime
from incumbent._failure import Failure
from incumbent._plan import Plan
from incumbent._state import DRAINING, Candidacy, Enter, Phase
from incumbent._stream import Stream
from incumbent._target import Target
from incumbent._wire import leader_of, to_enter, to_heard
from incumbent.errors import IncumbentError, LeadershipLost, Unavailable
from incumbent.v1 import election_service_pb2 as pb
from incumbent.values import Leader, OnDisconnect, Trust

LEAVE_WITHIN = 2.0  # seconds for which the answer to a resign is waited for
LONGEST_NAP = 1.0  # seconds; a timer does not count a machine's sleep, the clock does

log = logging.getLogger("incumbent")


class Campaign:
    """One credential's way from its first `enter` to its end. Begins at once."""

    def __init__(self, plan: Plan, channels: Channels, target: Target) -> None:
        self.plan = plan
        self.credential: str = secrets.token_urlsafe(24)
        self.term: Leader | None = None  # its own, as last told
        self.said: dict[str, Failure] = {}  # address → why it is of no use, the latest last
        self._channels = channels
        self._target = target
        # Around every change of _state: `held` may end it, on any thread, in a signal handler too.
        self._lock = RLock()
        self._state = Candidacy(
            ttl=plan.ttl,
            gateways=len(target.addresses),
            keep=plan.on_disconnect is OnDisconnect.KEEP,
            patience=math.inf if target.timeout is None else target.timeout,
            jitter=random.random,
            gateway=channels.preferred,
        )
        self._streams: list[Stream] = []  # the newest last
        self._wanted: bytes | None = None  # a proclaimed value that the store has not confirmed
        self._proclaiming = asyncio.Lock()
        self._told_until = -math.inf  # the end of trust that the caller was told last
        self._wake = asyncio.Event()
        self._waiters: set[asyncio.Future[None]] = set()
        self._callbacks: list[Callable[[], None]] = []
        self._leaving: asyncio.Task[None] | None = None
        self._work = asyncio.create_task(self._run(), name=f"incumbent {plan.election}")

    # -- for any thread

    def held(self) -> bool:
        """Tell whether it leads, by the clock at this call."""
        if boottime() < self._state.trusted_until:
            return True
        with self._lock:
            return self._state.held(boottime())

    @property
    def until(self) -> float:
        """The instant at which trust ends; -inf where none runs."""
        return self._state.trusted_until

    @property
    def over(self) -> bool:
        """Whether it ended, for good."""
        return self._state.over

    @property
    def reason(self) -> str:
        """Why it ended."""
        return self._state.reason

    @property
    def refused(self) -> str:
        """The status by which a gateway refused it, "" if none did."""
        return self._state.refused

    # -- what a term asks for

    def when_over(self, callback: Callable[[], None]) -> None:
        """Have it called on the client's thread once this is over, at once if it is."""
        if self._work.done():
            callback()
        else:
            self._callbacks.append(callback)

    async def settled(self) -> None:
        """Wait until it leads or is over."""
        await self._until(lambda: self.over or self._state.trusting)

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)

    async def proclaim(self, value: bytes) -> None:
        """Change the value; return when the store has confirmed it."""
        limit = self._target.timeout
        async with self._proclaiming:
            self._wanted = value
            self._send_wanted()
            try:
                async with asyncio.timeout(limit):
                    await self._until(lambda: self.over or self._confirmed(value))
            except TimeoutError:
                message = f"no gateway confirmed the value within {limit:g} s; it may still come"
                raise Unavailable(message) from None
            finally:
                self._wanted = None
        if self.over:
            raise self.lost()

    def _send_wanted(self) -> None:
        """Send the value where the newest stream is known to lead; one that is not is refused.

        Else it goes with the next `enter`, or behind the answer to the latest.
        """
        leads = self._state.answered and self._state.phase in (Phase.LEADING, Phase.JEOPARDY)
        if self._wanted is not None and self._streams and leads:
            message = pb.CampaignRequest(proclaim=pb.Proclaim(value=self._wanted))
            self._streams[-1].send(message)

    def _confirmed(self, value: bytes) -> bool:
        return self.term is not None and self.term.value == value

    def lost(self) -> LeadershipLost:
        """Say that the term is over."""
        return LeadershipLost(self.plan.election, self._state.token or 0, self.reason or "CLOSED")

    async def leave(self) -> None:
        """Believe no longer, then resign; return when that is confirmed, or after a while.

        Whoever calls it again, or is cancelled in it, does not disturb it.
        """
        if self._leaving is None:
            with self._lock:
                already = self.over
                self._state.resign()
            self._leaving = asyncio.create_task(self._leave(resign=not already))
            self._tell()
        await asyncio.shield(self._leaving)

    def drop(self) -> None:
        """Believe no longer, and no more than that: the loop of this is over."""
        with self._lock:
            self._state.resign()
        self._tell_trust(None)

    async def _leave(self, *, resign: bool) -> None:
        if resign:
            try:
                async with asyncio.timeout(LEAVE_WITHIN):
                    await self._resign()
            except TimeoutError:
                log.warning("%s: no answer to the resign: the term expires", self.plan.election)
        self._close()
        while self._streams:
            await asyncio.wait([stream.ended for stream in self._streams])
        await asyncio.wait([self._work])

    async def _resign(self) -> None:
        first = self._state.gateway
        if self._streams:  # also where the `enter` is not answered yet: nothing may overtake it
            newest = self._streams[-1]
            newest.send(pb.CampaignRequest(resign=pb.Resign()))
            if await self._ends_well(newest):
                return
            first += not newest.ended.done()  # it is silent; another one can end the term as well
        if self._state.attempt:  # the gateway may know of it
            calls = Calls(self._channels, self._target)
            try:
                await calls.resign(self.plan.election, self.credential, first, LEAVE_WITHIN)
            except IncumbentError as error:
                log.debug("%s: resign: %s", self.plan.election, error)

    async def _ends_well(self, stream: Stream) -> bool:
        sent, others = boottime(), len(self._target.addresses) > 1
        while not stream.ended.done():
            await asyncio.wait([stream.ended], timeout=LEAVE_WITHIN / 2)
            silent = others and self._channels.heard_at(stream.gateway) < sent
            if silent or not self._state.answered:
                break
        return stream.ended.done() and stream.ended.result().status == "OK"

    # -- the work

    async def _run(self) -> None:
        while not self.over:
            self._wake.clear()
            with self._lock:
                now = boottime()
                todo = self._state.next(now)
            if isinstance(todo, Enter):
                self._note_silence()
                self._try(todo)
            elif todo is not None:
                beat = pb.Heartbeat(sequence=todo.sequence)
                self._streams[-1].send(pb.CampaignRequest(heartbeat=beat))
            elif not self.over:
                await self._nap(self._state.due() - now)
        self._note_silence()
        self._tell()
        if self._leaving is None:  # who leaves still needs a stream to resign on
            log.info("%s: over, %s", self.plan.election, self.reason)
            if self.reason == DRAINING and self.plan.on_disconnect is OnDisconnect.KEEP:
                # The gateway frees the term at once if it knows that this was heard.
                self._leaving = asyncio.create_task(self._leave(resign=True))
            else:
                self._close()
        for callback in self._callbacks:
            callback()

    def _note_silence(self) -> None:
        """Who was asked and has neither answered nor failed by now is silent."""
        for stream in self._streams:
            address = self._target.addresses[stream.gateway]
            self.said.setdefault(address, Failure("UNAVAILABLE", "", "no answer"))

    async def _nap(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, LONGEST_NAP)):
                await self._wake.wait()

    def _try(self, enter: Enter) -> None:
        try:
            self._enter(enter)
        except Exception as error:  # noqa: BLE001 - the caller's `token`, or gRPC: it is told below
            how = Failure("UNKNOWN", "", f"cannot be called: {error}")
            self._failed(enter.gateway, enter.attempt, how)

    def _enter(self, enter: Enter) -> None:
        plan = self.plan
        message = to_enter(
            enter,
            election=plan.election,
            candidate=plan.candidate,
            value=plan.value if enter.resume_token is None else self._wanted,
            ttl=plan.ttl,
            no_wait=plan.no_wait,
            on_disconnect=plan.on_disconnect,
            credential=self.credential,
        )
        stream = Stream(
            self._channels.stub(enter.gateway),
            self._target.metadata,
            gateway=enter.gateway,
            attempt=enter.attempt,
            listener=self,
        )
        stream.send(message)
        self._streams.append(stream)
        if enter.attempt > 1:
            where = self._target.addresses[enter.gateway]
            log.info("%s: attempt %d, at %s", plan.election, enter.attempt, where)

    def on_response(self, stream: Stream, response: pb.CampaignResponse) -> None:
        """See Listener."""
        told = to_heard(response)
        if stream.attempt != self._state.attempt:
            return
        arrived, answered = boottime(), self._state.answered
        with self._lock:
            self._state.heard(stream.attempt, told, arrived)
        if self._state.phase in (Phase.LEADING, Phase.JEOPARDY):
            self.term = leader_of(response)
        self._channels.hears(stream.gateway, arrived)
        self.said.clear()
        for older in self._streams[:-1]:
            older.close()
        if not answered and self._wanted is not None and not self._confirmed(self._wanted):
            self._send_wanted()
        self._tell(arrived)

    def on_end(self, stream: Stream, how: Failure) -> None:
        """See Listener."""
        self._streams.remove(stream)
        if how.status == "OK":
            self._channels.hears(stream.gateway, boottime())
        if not stream.closed:
            self._failed(stream.gateway, stream.attempt, how)

    def _failed(self, gateway: int, attempt: int, how: Failure) -> None:
        if self.over:
            return
        address = self._target.addresses[gateway]
        self.said.pop(address, None)
        self.said[address] = how
        with self._lock:
            self._state.ended(attempt, how.status, how.reason, boottime())
        self._tell()

    def _tell(self, at: float | None = None) -> None:
        """Have everybody look again, at what may have changed at the instant `at`, else now."""
        self._tell_trust(at)
        self._wake.set()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _tell_trust(self, at: float | None) -> None:
        """Tell the caller of the campaign what it may believe from now on, if that has changed."""
        with self._lock:
            until, reason = self._state.trusted_until, self._state.reason
        if until == self._told_until or self.plan.on_trust is None:
            return
        self._told_until = until
        if at is None or until == -math.inf:
            at = boottime()
        try:
            self.plan.on_trust(Trust(self._state.token or 0, at, until, reason))
        except BaseException:  # sys.exit, say: this thread is not the caller's to end
            log.exception("%s: on_trust failed", self.plan.election)

    def _close(self) -> None:
        for stream in self._streams:
            stream.close()
