"""The verbs of one gateway on a Consul: read, decide, and one transaction.

A bid reads first and writes only what it may win, on condition that the key is still as it was
read: ModifyIndex moves with every change, also when a session ends. To compare, to lock and to mint
the token is one step of Consul's.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime

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
from incumbent_backends.under_way import UnderWay

TRIES = 6  # of a step whose key changes under it

Picture = Callable[[int], Mapping[str, Entry] | None]
_log = logging.getLogger(__name__)


class ConsulSession:
    """The driver's session and its verbs; `picture` tells the namespace at an index, if it can."""

    def __init__(self, space: Space, options: Options, picture: Picture) -> None:
        self.leases = Leases(space, options)
        self._space = space
        self._options = options
        self._picture = picture
        self._under_way = UnderWay()

    @property
    def id(self) -> str:
        return self.leases.main.id

    async def renew(self, keep: Collection[Claim]) -> Renewal:
        with self._under_way.renewing() as mark:
            return await self._renew(tuple(keep), mark)

    async def _renew(self, keep: Collection[Claim], mark: int) -> Renewal:
        began = self._options.clock.now()
        # First the leader makes sure that it is one: one that was frozen and does not know yet
        # that there is another would renew what the other has ended.
        doubts = set(self._under_way.ending)
        index = await self._space.index(Pool.RENEWALS)
        await self.leases.renew()
        hanging = await self._hanging(index)
        self._under_way.ending -= doubts - hanging.keys()
        orphans = self._under_way.orphans(hanging, keep, mark)
        ended = await self._end({claim: hanging[claim] for claim in orphans})
        return Renewal(
            frozenset(hanging.keys() - ended),
            began + self._options.backend_ttl.total_seconds(),
        )

    async def _hanging(self, index: int) -> dict[Claim, Entry]:
        """The terms of this session whose locks are held by what has just been renewed.

        One whose lock is a longer session's that was given up is lost, and left to end with it.
        """
        entries = self._picture(index)
        if entries is None:
            entries = (await self._space.tree(Pool.RENEWALS)).entries
        held = self.leases.ids
        return {
            Claim(entry.election, entry.term.token): entry
            for entry in entries.values()
            if entry.term is not None and entry.term.session == self.id and entry.lock in held
        }

    async def _end(self, unwanted: dict[Claim, Entry]) -> set[Claim]:
        """End these as they were read; return those that are known to have ended."""
        self._under_way.ending.update(unwanted)
        try:
            gone = await self._space.forget(list(unwanted.values()))
        except BackendError as error:  # the renewal stands all the same; the next tick tries again
            _log.warning("what nobody wants could not be ended: %s", error)
            return set()
        self._under_way.ending.difference_update(unwanted)
        return {claim for claim in unwanted if claim.election in gone}

    async def read(self, election: str) -> Snapshot:
        return (await self._space.entry(election)).snapshot()

    async def acquire(self, bid: Bid) -> Snapshot:
        with self._under_way.bidding(bid.election):
            return await self._acquire(bid)

    async def _acquire(self, bid: Bid) -> Snapshot:
        session = self.id
        for _ in range(TRIES):
            entry = await self._space.entry(bid.election)
            step = decide(entry.term, bid, session)
            if step is Step.NOTHING and not self._under_way.doubtful(entry.term, bid, session):
                return self._seen(entry, bid, session)
            written = await self._write(step, bid, entry, session)
            if written is not None:
                return written.snapshot()
        raise Unavailable(f"election {bid.election} changed too often while it was bid for")

    def _seen(self, entry: Entry, bid: Bid, session: str) -> Snapshot:
        """What a bid has found; its own term is no win if nobody renews the lock any more."""
        term = entry.term
        if term is not None and (term.holder, term.session) == (bid.holder, session):
            self.leases.kept(entry.lock)
        return entry.snapshot()

    async def _write(self, step: Step, bid: Bid, entry: Entry, session: str) -> Entry | None:
        """Do a step on the key as it was read; None: it is not so any more."""
        if step is Step.BEGIN:
            fresh = bid.beginning(session, self._options.backend_ttl, datetime.now(UTC))
            return await self._locked([self._space.vacant(entry)], fresh, session)
        assert entry.term is not None
        if step is Step.MOVE:
            return await self._move(bid, entry, entry.term, session)
        term = entry.term
        if step is Step.CHANGE:
            term = bid.changing(term)
        # Unlocked and locked: its index moves even if nothing else does, and saves it from an end
        # that may still land.
        changed = await self._locked(self._space.unlock(entry), term, entry.lock)
        if changed is not None:
            self._under_way.ending.discard(Claim(term.election, term.token))
        return changed

    async def _move(self, bid: Bid, entry: Entry, term: Term, session: str) -> Entry | None:
        lease = await self.leases.receive(term.backend_ttl)
        if self.id != session:
            raise session_over()
        moved = replace(
            bid.changing(term),
            session=session,
            backend_ttl=max(term.backend_ttl, lease.ttl),
        )
        lease.moves += 1
        written = await self._locked(self._space.unlock(entry), moved, lease.id)
        lease.moves -= 1  # not if that has raised: it may still land
        return written

    async def _locked(self, first: list[Operation], term: Term, lock: str) -> Entry | None:
        """Write a term under this lock of ours, which must be promised before and after."""
        self.leases.kept(lock)
        index = await self._space.apply(*first, self._space.lock(term, lock))
        if isinstance(index, Conflict):
            if index.session_over:
                raise session_over()
            return None
        self.leases.kept(lock)
        return Entry(term.election, index, lock, replace(term, token=term.token or index))

    async def release(self, term: Term) -> None:
        """End exactly this (election, token, session), if it is there."""
        claim = Claim(term.election, term.token)
        for _ in range(TRIES):
            entry = await self._space.entry(term.election)
            found = entry.term
            if found is None or (found.token, found.session) != (term.token, term.session):
                self._under_way.ending.discard(claim)
                return
            self._under_way.ending.add(claim)
            if not isinstance(await self._space.apply(self._space.delete(entry)), Conflict):
                self._under_way.ending.discard(claim)
                return
        raise Unavailable(f"election {term.election} changed too often while it was released")

    async def close(self) -> None:
        """End the sessions on which no term hangs."""
        tree = await self._space.tree(Pool.WORK)
        await self.leases.close({entry.lock for entry in tree.entries.values() if entry.term})
