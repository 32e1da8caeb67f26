"""The reference driver: a store in the memory of one process, for tests, demos and simulations.

It is written to be read beside `api.py`. Every verb is one step, a plain function that runs without
a pause, so each law shows as a line or two of Python instead of as a transaction. `MemoryStore`
is the "server", `Memory` the driver; between them lies `MemoryStore.perform`, the "network".

Whoever watches ends a session after seeing its renewals unchanged for 1.02 of its ttl, counted on
the watcher's own clock from the arrival of the first read that showed them.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, Self, TypeVar

from incumbent_backends.api import (
    Claim,
    Expiry,
    Limits,
    Options,
    Rejected,
    Renewal,
    Snapshot,
    Synced,
    Term,
    Unavailable,
)
from incumbent_backends.memory_store import (
    MARKER,
    VACANT,
    Call,
    MemoryStore,
    SessionRow,
    Space,
    Watcher,
)

__all__ = ["Call", "Memory", "MemoryStore", "Space", "Watcher"]

PATIENCE = 1.02  # of a ttl: two clocks within 1 % of true cannot disagree by more
LOOK_EVERY = 0.25  # seconds between two looks at the other sessions' renewals

T = TypeVar("T")

_URL = re.compile(r"memory://(?P<name>[A-Za-z0-9._-]*)/?", re.IGNORECASE)
_named: dict[str, MemoryStore] = {}


class Memory:
    """`memory://`: a store of its own. `memory://NAME`: one shared within this process."""

    def __init__(self, url: str, options: Options) -> None:
        self._join(_store_of(url), options, moves_terms=True)

    @classmethod
    def on(cls, store: MemoryStore, options: Options, *, moves_terms: bool = True) -> Self:
        """Open onto `store`; without `moves_terms` it acts as a store of session locks."""
        backend = cls("memory://", options)
        backend._join(store, options, moves_terms=moves_terms)
        return backend

    def _join(self, store: MemoryStore, options: Options, *, moves_terms: bool) -> None:
        self._store = store
        self._options = options
        self._moves = moves_terms
        self._space = store.space(options.namespace)
        self._session = ""

    @property
    def limits(self) -> Limits:
        return Limits(
            kind="memory",
            expiry=Expiry.LEASE if self._moves else Expiry.SESSION,
            min_backend_ttl=timedelta(seconds=1),
            max_backend_ttl=timedelta(days=1),
            expiry_factor=PATIENCE,
            expiry_slack=timedelta(seconds=LOOK_EVERY),
            moves_terms=self._moves,
            survives_gateway=False,
            survives_restart=False,
            notes=("Everything, the token counter too, ends with the gateway's process.",),
        )

    @property
    def session(self) -> str:
        return self._session

    async def __aenter__(self) -> Self:
        await self._perform("enter", "", self._enter)
        return self

    def _enter(self) -> None:
        if self._space.marker != MARKER:
            raise Rejected(
                f"namespace {self._options.namespace!r} belongs to {self._space.marker!r}, "
                f"this gateway to {MARKER!r}: choose another namespace"
            )
        self._session = self._space.open_session(self._options.backend_ttl)

    async def __aexit__(self, *exc: object) -> None:
        with suppress(Unavailable):  # silence ends the session as well, only later
            await self._perform("leave", "", partial(self._leave, self._session))

    def _leave(self, session: str) -> None:
        if not (self._moves and self._space.hanging_on(session)):
            self._space.end_session(session)

    async def renew(self, keep: Collection[Claim]) -> Renewal:
        began = self._options.clock.now()
        # Fixed now, however late the step is taken. The attempt is part of it: a term that moved
        # away and came back meanwhile is a newer acquisition.
        hung = [(t.election, t.token, t.attempt) for t in self._space.hanging_on(self._session)]
        under_way = {claim.election for claim in keep if claim.token is None}
        wanted = {(claim.election, claim.token) for claim in keep}
        unwanted = {h for h in hung if h[0] not in under_way and h[:2] not in wanted}
        step = partial(self._renew, self._session, unwanted)
        survivors, granted = await self._perform("renew", "", step)
        return Renewal(survivors, began + granted.total_seconds())

    def _renew(
        self, session: str, unwanted: set[tuple[str, int, int]]
    ) -> tuple[frozenset[Claim], timedelta]:
        for term in self._space.hanging_on(session):
            if (term.election, term.token, term.attempt) in unwanted:
                self._space.delete(term.election)
        if self._session not in self._space.sessions:
            self._session = self._space.open_session(self._options.backend_ttl)
        granted = self._space.renew_session(self._session)
        hanging = self._space.hanging_on(self._session)
        return frozenset(Claim(term.election, term.token) for term in hanging), granted

    async def acquire(
        self, election: str, *, holder: str, attempt: int, candidate: str,
        value: bytes | None, resume: int | None = None,
    ) -> Snapshot:  # fmt: skip
        bid = Term(
            election=election, token=0, holder=holder, attempt=attempt, candidate=candidate,
            value=b"" if value is None else value, session=self._session,
            backend_ttl=self._options.backend_ttl, begin_time=self._store.wall(),
        )  # fmt: skip
        if resume is None:
            return await self._perform("acquire", election, partial(self._win, bid))
        step = partial(self._resume, bid, resume, keeps_value=value is None)
        return await self._perform("acquire", election, step)

    def _win(self, bid: Term) -> Snapshot:
        session = self._living(bid.session)
        if self._space.term(bid.election) is None:
            won = replace(bid, token=self._space.mint(), backend_ttl=session.backend_ttl)
            self._space.put(won)
        return self._space.snapshot(bid.election)

    def _resume(self, bid: Term, token: int, *, keeps_value: bool) -> Snapshot:
        self._living(bid.session)
        term = self._space.term(bid.election)
        if term and (term.token, term.holder) == (token, bid.holder) and self._may_pass(term, bid):
            # Renewed in the same step, for no less than the term was promised: never a shortening.
            ttl = self._space.renew_session(bid.session, at_least=term.backend_ttl)
            value = term.value if keeps_value else bid.value
            moved = replace(term, session=bid.session, attempt=bid.attempt, value=value)
            self._space.put(replace(moved, backend_ttl=ttl))
        return self._space.snapshot(bid.election)

    def _may_pass(self, term: Term, bid: Term) -> bool:
        if term.session == bid.session:
            return bid.attempt >= term.attempt
        return self._moves and bid.attempt > term.attempt

    def _living(self, session: str) -> SessionRow:
        row = self._space.sessions.get(session)
        if row is None:
            raise Unavailable(f"session {session!r} has ended; the next renewal opens another")
        return row

    async def release(self, term: Term) -> None:
        await self._perform("release", term.election, partial(self._release, term))

    def _release(self, term: Term) -> None:
        present = self._space.term(term.election)
        if present and (present.token, present.session) == (term.token, term.session):
            self._space.delete(term.election)

    async def read(self, election: str) -> Snapshot:
        return await self._perform("read", election, partial(self._space.snapshot, election))

    async def watch(self) -> AsyncGenerator[Snapshot | Synced, None]:
        watcher = Watcher()
        self._space.watchers.add(watcher)
        told: dict[str, object] = {}
        sightings: dict[str, tuple[int, float]] = {}
        try:
            watcher.changed |= await self._perform("watch", "", lambda: dict.fromkeys(self._led()))
            synced = False
            while True:
                for election in list(watcher.changed):
                    del watcher.changed[election]  # before the read: a later change puts it back
                    step = partial(self._space.snapshot, election)
                    snapshot = await self._perform("watch", election, step)
                    if snapshot.version != told.get(election, VACANT):
                        _remember(told, snapshot)
                        yield snapshot
                if not synced:
                    synced = True
                    yield Synced()
                pause = await self._end_silent_sessions(sightings)
                if not watcher.changed:
                    watcher.wake.clear()
                    await _woken(watcher.wake, self._options.clock.sleep(pause))
        finally:
            self._space.watchers.discard(watcher)

    def _led(self) -> list[str]:
        return list(self._space.terms)

    async def _end_silent_sessions(self, sightings: dict[str, tuple[int, float]]) -> float:
        """End who was silent for too long; return the seconds until the next look is due."""
        rows = await self._perform("watch", "", self._space.sessions.copy)
        now = self._options.clock.now()  # silence counts from the arrival of a read
        pause = LOOK_EVERY
        for gone in sightings.keys() - rows.keys():
            del sightings[gone]
        for name, row in rows.items():
            if name == self._session:
                continue
            renewals, since = sightings.get(name, (None, now))
            if renewals != row.renewals:
                since = now
            sightings[name] = (row.renewals, since)
            left = since + row.backend_ttl.total_seconds() * PATIENCE - now
            if left <= 0:
                step = partial(self._space.end_session, name, row.renewals)
                await self._perform("expire", "", step)
            pause = min(pause, left)
        return max(pause, 0.001)  # never a busy loop, whatever a clock rounds

    def _perform(self, verb: str, election: str, step: Callable[[], T]) -> Coroutine[Any, Any, T]:
        return self._store.perform(Call(self, verb, election), step)


def _store_of(url: str) -> MemoryStore:
    match = _URL.fullmatch(url)
    if match is None:
        raise Rejected("a memory store is memory:// or memory://NAME, with nothing after it")
    name: str = match["name"]
    return _named.setdefault(name, MemoryStore()) if name else MemoryStore()


def _remember(told: dict[str, object], snapshot: Snapshot) -> None:
    if snapshot.term is None:
        told.pop(snapshot.election, None)  # or names would pile up for ever
    else:
        told[snapshot.election] = snapshot.version


async def _woken(wake: asyncio.Event, nap: Coroutine[Any, Any, None]) -> None:
    """Wait for `wake`, no longer than `nap` lasts."""
    napping = asyncio.ensure_future(nap)
    napping.add_done_callback(lambda done: None if done.cancelled() else wake.set())
    try:
        await wake.wait()
    finally:
        napping.cancel()
