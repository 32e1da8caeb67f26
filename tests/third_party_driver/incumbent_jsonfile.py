"""A store of one JSON file a namespace, for the gateways of one host: `jsonfile:////abs/folder`.

Written against `incumbent_backends.api` alone, as the worked example of a driver. One exclusive
lock on the folder's lock file makes a verb atomic; a rename makes it all or nothing.
"""

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncGenerator, Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from incumbent_backends.api import (
    BackendError,
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

MARKER = "jsonfile, layout 1"
PATIENCE = 1.02  # of a ttl; covers clocks that run within 1 % of true
POLL = 0.02  # seconds between two looks of a watch

T = TypeVar("T")


@dataclass
class State:
    """What the file holds."""

    marker: str = MARKER
    last_token: int = 0  # one counter, so that a vacant election can be forgotten
    last_session: int = 0
    sessions: dict[str, tuple[int, float]] = field(default_factory=dict)  # (renewals, ttl)
    terms: dict[str, Term] = field(default_factory=dict)

    def living(self, election: str) -> Term | None:
        term = self.terms.get(election)
        return term if term is not None and term.session in self.sessions else None

    def snapshot(self, election: str) -> Snapshot:
        term = self.living(election)
        return Snapshot(election, term, term)  # the term is its own version

    def hanging_on(self, session: str) -> list[Term]:
        return [term for term in self.terms.values() if term.session == session]

    def open_session(self, ttl: timedelta) -> str:
        self.last_session += 1
        name = f"session-{self.last_session}"
        self.sessions[name] = (0, ttl.total_seconds())
        return name

    def renew_session(self, name: str, at_least: timedelta = timedelta(0)) -> None:
        renewals, ttl = self.sessions[name]
        self.sessions[name] = (renewals + 1, max(ttl, at_least.total_seconds()))


class JsonFile:
    """One session on the file. All its work is done in order, on one thread of its own."""

    def __init__(self, url: str, options: Options) -> None:
        parts = urlsplit(url)
        if parts.scheme != "jsonfile" or parts.netloc or not parts.path.startswith("//"):
            raise Rejected("a jsonfile store is jsonfile:////absolute/folder")
        self._file = Path(parts.path[1:]) / f"{options.namespace}.json"
        self._options = options
        self._session = ""
        self._gained: frozenset[Claim] = frozenset()  # what may hang here; replaced, not changed
        self._thread = ThreadPoolExecutor(1, "incumbent-jsonfile")

    @property
    def limits(self) -> Limits:
        return Limits(
            kind="jsonfile",
            expiry=Expiry.LEASE,
            min_backend_ttl=timedelta(seconds=1),
            max_backend_ttl=timedelta(hours=1),
            expiry_factor=PATIENCE,
            expiry_slack=timedelta(seconds=1),
            moves_terms=True,
            survives_gateway=True,
            survives_restart=True,
            notes=("An example: the whole file is written anew at every change.",),
        )

    @property
    def session(self) -> str:
        return self._session

    async def __aenter__(self) -> Self:
        try:
            await self._do(self._enter)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        return self

    def _enter(self) -> None:
        with self._transaction() as state:
            if state.marker != MARKER:
                raise Rejected(f"{self._file} was made by {state.marker!r}, this is {MARKER!r}")
            self._session = state.open_session(self._options.backend_ttl)

    async def __aexit__(self, *exc: object) -> None:
        with suppress(BackendError):  # then the session ends by silence
            await self._do(self._leave)
        self._thread.shutdown(wait=False)

    def _leave(self) -> None:
        with self._transaction() as state:
            if not state.hanging_on(self._session):
                state.sessions.pop(self._session, None)

    async def renew(self, keep: Collection[Claim]) -> Renewal:
        began = self._options.clock.now()
        # Before anything is awaited: what is gained from here on is no concern of this call.
        left_out = self._gained - set(keep)
        under_way = {claim.election for claim in keep if claim.token is None}
        unwanted = [claim for claim in left_out if claim.election not in under_way]
        survivors = await self._do(partial(self._renew, unwanted))
        return Renewal(survivors, began + self._options.backend_ttl.total_seconds())

    def _renew(self, unwanted: Collection[Claim]) -> frozenset[Claim]:
        with self._transaction() as state:
            if self._session not in state.sessions:  # dead is dead: another name, no terms
                self._session = state.open_session(self._options.backend_ttl)
            state.renew_session(self._session)
            for term in state.hanging_on(self._session):
                if Claim(term.election, term.token) in unwanted:
                    del state.terms[term.election]
            hanging = state.hanging_on(self._session)
        self._gained = frozenset(Claim(term.election, term.token) for term in hanging)
        return self._gained

    async def acquire(
        self, election: str, *, holder: str, attempt: int, candidate: str,
        value: bytes | None, resume: int | None = None,
    ) -> Snapshot:  # fmt: skip
        bid = Term(
            election, 0, holder, attempt, candidate, value or b"", self._session,
            self._options.backend_ttl, datetime.now(UTC),
        )  # fmt: skip
        if resume is None:
            return await self._do(partial(self._win, bid))
        return await self._do(partial(self._resume, bid, resume, value is None))

    def _win(self, bid: Term) -> Snapshot:
        with self._transaction() as state:
            self._insist_on(bid.session, state)
            if state.living(bid.election) is None:
                state.last_token += 1  # under the lock: the earlier winner has the lower token
                state.terms[bid.election] = replace(bid, token=state.last_token)
            return self._note(state.snapshot(bid.election))

    def _resume(self, bid: Term, token: int, keeps_value: bool) -> Snapshot:
        with self._transaction() as state:
            self._insist_on(bid.session, state)
            term = state.living(bid.election)
            if term and (term.token, term.holder) == (token, bid.holder) and _newer(bid, term):
                # A renewal in the same step, for no less than the term was promised.
                state.renew_session(bid.session, at_least=term.backend_ttl)
                state.terms[bid.election] = replace(
                    term,
                    session=bid.session,
                    attempt=bid.attempt,
                    value=term.value if keeps_value else bid.value,
                    backend_ttl=max(term.backend_ttl, bid.backend_ttl),
                )
            return self._note(state.snapshot(bid.election))

    def _insist_on(self, session: str, state: State) -> None:
        if session not in state.sessions:
            raise Unavailable(f"{session} has ended; the next renewal opens another")

    def _note(self, snapshot: Snapshot) -> Snapshot:
        if snapshot.term is not None and snapshot.term.session == self._session:
            self._gained |= {Claim(snapshot.election, snapshot.term.token)}
        return snapshot

    async def release(self, term: Term) -> None:
        await self._do(partial(self._release, term))

    def _release(self, term: Term) -> None:
        with self._transaction() as state:
            there = state.terms.get(term.election)
            if there and (there.token, there.session) == (term.token, term.session):
                del state.terms[term.election]

    async def read(self, election: str) -> Snapshot:
        return await self._do(partial(self._read, election))

    def _read(self, election: str) -> Snapshot:
        with self._transaction() as state:
            return state.snapshot(election)

    async def watch(self) -> AsyncGenerator[Snapshot | Synced, None]:
        told: dict[str, Term] = {}
        seen: dict[str, tuple[int, float]] = {}
        synced = False
        while True:
            led = await self._do(partial(self._look, seen))
            for election in told.keys() | led.keys():
                term = led.get(election)
                if term == told.pop(election, None):
                    told |= {election: term} if term else {}
                    continue
                told |= {election: term} if term else {}
                yield Snapshot(election, term, term)
            if not synced:
                synced = True
                yield Synced()
            await self._options.clock.sleep(POLL)

    def _look(self, seen: dict[str, tuple[int, float]]) -> dict[str, Term]:
        """End the sessions that were silent too long; return what is led."""
        with self._transaction() as state:
            now = self._options.clock.now()
            for name, (renewals, ttl) in list(state.sessions.items()):
                if seen.get(name, (-1, now))[0] != renewals:
                    seen[name] = (renewals, now)
                elif name != self._session and now - seen[name][1] >= ttl * PATIENCE:
                    del state.sessions[name]
            state.terms = {e: t for e, t in state.terms.items() if t.session in state.sessions}
            for gone in seen.keys() - state.sessions.keys():
                del seen[gone]
            return dict(state.terms)

    async def _do(self, job: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, job)
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self._file} cannot be read or written") from error

    @contextmanager
    def _transaction(self) -> Iterator[State]:
        """Read the file under the lock; write it if the body changed it and did not raise."""
        with self._file.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            text = self._file.read_text() if self._file.exists() else ""
            state = _decode(text) if text else State()
            yield state
            if (changed := _encode(state)) != text:
                fresh = self._file.with_suffix(".new")
                with fresh.open("w") as out:
                    out.write(changed)
                    out.flush()
                    os.fsync(out.fileno())
                fresh.replace(self._file)


def _newer(bid: Term, term: Term) -> bool:
    same = bid.session == term.session and bid.attempt == term.attempt
    return same or bid.attempt > term.attempt


def _encode(state: State) -> str:
    def plain(thing: Any) -> object:
        match thing:
            case bytes():
                return thing.hex()
            case timedelta():
                return thing.total_seconds()
            case _:
                return thing.isoformat()

    return json.dumps(asdict(state), default=plain)


def _decode(text: str) -> State:
    fields = json.loads(text)
    fields["sessions"] = {name: tuple(row) for name, row in fields["sessions"].items()}
    fields["terms"] = {name: _term(row) for name, row in fields["terms"].items()}
    return State(**fields)


def _term(row: dict[str, Any]) -> Term:
    ttl, begin = timedelta(seconds=row["backend_ttl"]), datetime.fromisoformat(row["begin_time"])
    value = bytes.fromhex(row["value"])
    return Term(**row | {"value": value, "backend_ttl": ttl, "begin_time": begin})
