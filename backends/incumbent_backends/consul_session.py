"""The verbs of one gateway on a Consul: read, decide, and one transaction.

A bid reads first and writes only what it may win, on condition that the key is still as it was
read: ModifyIndex moves with every change, also when a session ends. To compare, to lock and to mint
the token is one step of Consul's.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from incumbent_backends.api import (
    BackendError,
    Claim,
    Options,
    Renewal,
    Snapshot,
    Term,
    Unavailable,
)
from incumbent_backends.bids import Bid, Step, decide
from incumbent_backends.consul_entry import Entry
from incumbent_backends.consul_http import Pool
from incumbent_backends.consul_leases import Leases, session_over
from incumbent_backends.consul_space import Conflict, Operation, Space

TRIES = 6  # of a step whose key changes under it

Picture = Callable[[int], Mapping[str, Entry] | None]
_log = logging.getLogger(__name__)


class _Call(NamedTuple):
    """What renew was called with, and when."""

    keep: frozenset[Claim]
    mark: int  # Session._mark at that moment


class ConsulSession:
    """The driver's session and its verbs; `picture` tells the namespace at an index, if it can."""

    def __init__(self, space: Space, options: Options, picture: Picture) -> None:
        self.leases = Leases(space, options)
        self._space = space
        self._options = options
        self._picture = picture
        self._mark = 0  # acquires ended so far
        self._gained: dict[str, int] = {}  # election → mark of the last one ended
        self._bidding: Counter[str] = Counter()  # acquires under way
        self._ending: set[Claim] = set()  # ends that were sent and whose outcome is not known

    @property
    def id(self) -> str:
        return self.leases.main.id

    async def renew(self, keep: Collection[Claim]) -> Renewal:
        began, call = self._options.clock.now(), _Call(frozenset(keep), self._mark)
        # First the leader makes sure that it is one: one that was frozen and does not know yet
        # that there is another would renew what the other has ended.
        doubts = set(self._ending)
        index = await self._space.index(Pool.RENEWALS)
        await self.leases.renew()
        hanging = await self._hanging(index)
        self._ending -= doubts - hanging.keys()
        orphans = self._orphans(hanging, call)
        ended = await self._end({claim: hanging[claim] for claim in orphans})
        used = {entry.lock for claim, entry in hanging.items() if claim not in ended}
        await self.leases.drop_unused(used)
        return Renewal(
            frozenset(hanging.keys() - ended),
            began + self._options.backend_ttl.total_seconds(),
        )

    async def _hanging(self, index: int) -> dict[Claim, Entry]:
        entries = self._picture(index)
        if entries is None:
            entries = (await self._space.tree(Pool.RENEWALS)).entries
        return {
            Claim(entry.election, entry.term.token): entry
            for entry in entries.values()
            if entry.term is not None and entry.term.session == self.id
        }

    def _orphans(self, hanging: Collection[Claim], call: _Call) -> set[Claim]:
        """What hung here when the call began and is not wanted.

        Spared is every election whose acquire is under way or ended after the call began, whatever
        came of it; the next tick ends what was spared for nothing.
        """
        under_way = {claim.election for claim in call.keep if claim.token is None}
        self._gained = {name: mark for name, mark in self._gained.items() if mark > call.mark}
        return {
            claim
            for claim in set(hanging) - call.keep
            if not (
                claim.election in under_way
                or claim.election in self._gained
                or self._bidding[claim.election]
            )
        }

    async def _end(self, unwanted: dict[Claim, Entry]) -> set[Claim]:
        """End these as they were read; return those that are known to have ended."""
        self._ending.update(unwanted)
        try:
            gone = await self._space.forget(list(unwanted.values()))
        except BackendError as error:  # the renewal stands all the same; the next tick tries again
            _log.warning("what nobody wants could not be ended: %s", error)
            return set()
        self._ending.difference_update(unwanted)
        return {claim for claim in unwanted if claim.election in gone}

    async def read(self, election: str) -> Snapshot:
        return (await self._space.entry(election)).snapshot()

    async def acquire(self, bid: Bid) -> Snapshot:
        self._bidding[bid.election] += 1
        try:
            return await self._acquire(bid)
        finally:
            self._bidding[bid.election] -= 1
            self._bidding += Counter()  # forgets those at 0
            self._mark += 1
            self._gained[bid.election] = self._mark

    async def _acquire(self, bid: Bid) -> Snapshot:
        session = self.id
        for _ in range(TRIES):
            entry = await self._space.entry(bid.election)
            step = decide(entry.term, bid, session)
            if step is Step.NOTHING and not self._doubtful(entry.term, bid, session):
                return entry.snapshot()
            written = await self._write(step, bid, entry, session)
            if written is not None:
                return written.snapshot()
        raise Unavailable(f"election {bid.election} changed too often while it was bid for")

    def _doubtful(self, term: Term | None, bid: Bid, session: str) -> bool:
        """Whether this would be told as led here although an end of it may still land."""
        return (
            term is not None
            and (term.holder, term.session) == (bid.holder, session)
            and Claim(term.election, term.token) in self._ending
        )

    async def _write(self, step: Step, bid: Bid, entry: Entry, session: str) -> Entry | None:
        """Do a step on the key as it was read; None: it is not so any more."""
        if step is Step.BEGIN:
            fresh = self._beginning(bid, session)
            return await self._locked([self._space.vacant(entry)], fresh, session)
        assert entry.term is not None
        if step is Step.MOVE:
            with self.leases:
                return await self._move(bid, entry, entry.term, session)
        term = entry.term
        if step is Step.CHANGE:
            value = term.value if bid.value is None else bid.value
            term = replace(term, attempt=bid.attempt, value=value)
        # Unlocked and locked: its index moves even if nothing else does, and saves it from an end
        # that may still land.
        changed = await self._locked(self._space.unlock(entry), term, entry.lock)
        if changed is not None:
            self._ending.discard(Claim(term.election, term.token))
        return changed

    async def _move(self, bid: Bid, entry: Entry, term: Term, session: str) -> Entry | None:
        lease = await self.leases.receive(term.backend_ttl)
        if self.id != session:
            raise session_over()
        moved = replace(
            term,
            session=session,
            attempt=bid.attempt,
            value=term.value if bid.value is None else bid.value,
            backend_ttl=max(term.backend_ttl, lease.ttl),
        )
        return await self._locked(self._space.unlock(entry), moved, lease.id)

    def _beginning(self, bid: Bid, session: str) -> Term:
        return Term(
            election=bid.election,
            token=0,
            holder=bid.holder,
            attempt=bid.attempt,
            candidate=bid.candidate,
            value=bid.value or b"",
            session=session,
            backend_ttl=self._options.backend_ttl,
            begin_time=datetime.now(UTC),
        )

    async def _locked(self, first: list[Operation], term: Term, lock: str) -> Entry | None:
        index = await self._space.apply(*first, self._space.lock(term, lock))
        if isinstance(index, Conflict):
            if index.session_over:
                raise session_over()
            return None
        return Entry(term.election, index, lock, replace(term, token=term.token or index))

    async def release(self, term: Term) -> None:
        """End exactly this (election, token, session), if it is there."""
        claim = Claim(term.election, term.token)
        for _ in range(TRIES):
            entry = await self._space.entry(term.election)
            found = entry.term
            if found is None or (found.token, found.session) != (term.token, term.session):
                self._ending.discard(claim)
                return
            self._ending.add(claim)
            if not isinstance(await self._space.apply(self._space.delete(entry)), Conflict):
                self._ending.discard(claim)
                return
        raise Unavailable(f"election {term.election} changed too often while it was released")

    async def close(self) -> None:
        """End the sessions on which no term hangs."""
        tree = await self._space.tree(Pool.WORK)
        await self.leases.close({entry.lock for entry in tree.entries.values() if entry.term})
