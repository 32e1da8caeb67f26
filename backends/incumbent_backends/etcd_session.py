"""One session in etcd: each verb as its transactions.

A bid for a vacancy is one transaction: create the key if it is not there, else say what is. All
that changes a term compares the revision at which this call read it. So a late copy of a message
changes nothing, and what is lost on the way is asked for again by the core.
"""

import logging
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from incumbent_backends import etcd_pb2 as pb
from incumbent_backends.api import BackendError, Claim, Renewal, Snapshot, Term, Unavailable
from incumbent_backends.bids import Bid, Step, decide
from incumbent_backends.etcd_client import RANGE, TXN, Client
from incumbent_backends.etcd_leases import Leases
from incumbent_backends.etcd_terms import (
    Space,
    delete,
    found,
    hangs_on,
    is_at,
    is_vacant,
    look,
    put,
)
from incumbent_backends.under_way import UnderWay

TRIES = 4  # of a bid whose election changes under it
TOGETHER = 50  # ends in one transaction; etcd allows 128 operations

_log = logging.getLogger(__name__)


class Hanging(NamedTuple):
    """A key that hangs on a lease of this session."""

    key: bytes
    lease: int
    revision: int  # at which it was last written


class LeaseSession:
    """The verbs; what is kept here beside the leases only tells late ends from new bids."""

    def __init__(self, client: Client, space: Space, leases: Leases) -> None:
        self._client = client
        self._space = space
        self._leases = leases
        self._under_way = UnderWay()

    async def renew(self, keep: Collection[Claim]) -> Renewal:
        """One round of keepalives and one list of the namespace, without its records."""
        with self._under_way.renewing() as mark:
            return await self._renew(tuple(keep), mark)

    async def _renew(self, keep: Collection[Claim], mark: int) -> Renewal:
        kept = await self._leases.keep_alive(reopen=True)
        if kept is None:
            self._under_way.ending.clear()
            return Renewal(frozenset(), self._leases.good_until)
        moves = Counter(self._leases.moves)
        hanging = await self.hanging()
        if self._client.raft_term != kept.raft_term:
            raise Unavailable("etcd has changed its leader meanwhile")
        self._under_way.ending.intersection_update(hanging)
        ended = await self._end(
            {claim: hanging[claim] for claim in self._under_way.orphans(hanging, keep, mark)}
        )
        await self._shed(hanging, moves)
        return Renewal(frozenset(hanging.keys() - ended), kept.good_until)

    async def hanging(self) -> dict[Claim, Hanging]:
        """All that hangs on this session now, on leases that are kept alive.

        One that was given up and could not be ended may still have a late move land on it; who
        counted that as living would promise what nobody renews.
        """
        listed = await self._client.call(
            RANGE,
            pb.RangeRequest(key=self._space.terms, range_end=self._space.end, keys_only=True),
        )
        return {
            Claim(self._space.election(kv.key), kv.create_revision): Hanging(
                kv.key, kv.lease, kv.mod_revision
            )
            for kv in listed.kvs
            if kv.lease in self._leases.granted
        }

    async def _shed(self, hanging: dict[Claim, Hanging], moves: Counter[int]) -> None:
        try:
            await self._leases.shed({each.lease for each in hanging.values()}, moves)
        except BackendError:  # the renewal stands all the same
            _log.warning("a lease in etcd that nothing hangs on ends with its ttl")

    async def _end(self, claims: dict[Claim, Hanging]) -> set[Claim]:
        """End these as they were read; return those that are known to have ended."""
        self._under_way.ending.update(claims)
        ended: set[Claim] = set()
        waiting = list(claims.items())
        while waiting:
            now, waiting = waiting[:TOGETHER], waiting[TOGETHER:]
            each = [
                pb.TxnRequest(compare=[is_at(hung.key, hung.revision)], success=[delete(hung.key)])
                for _, hung in now
            ]
            request = pb.TxnRequest(success=[pb.RequestOp(request_txn=txn) for txn in each])
            try:
                answer = await self._client.call(TXN, request)
            except BackendError:  # the renewal stands all the same; the next tick tries again
                _log.warning("what nobody wants could not be ended in etcd")
                break
            outcomes = [response.response_txn.succeeded for response in answer.responses]
            settled = [claim for claim, _ in now]
            self._under_way.ending.difference_update(settled)
            ended.update(c for c, done in zip(settled, outcomes, strict=True) if done)
        return ended

    async def read(self, election: str) -> Snapshot:
        return self._space.snapshot(await self._read(election))

    async def _read(self, election: str) -> pb.KeyValue:
        key = self._space.key(election)
        return found(key, (await self._client.call(RANGE, pb.RangeRequest(key=key))).kvs)

    async def acquire(self, bid: Bid) -> Snapshot:
        with self._under_way.bidding(bid.election):
            return await self._acquire(bid)

    async def _acquire(self, bid: Bid) -> Snapshot:
        kv = pb.KeyValue(key=self._space.key(bid.election))  # not there, a guess that costs nothing
        if bid.resume is not None:
            kv = await self._read(bid.election)
        for _ in range(TRIES):
            session = self._leases.session
            seen = self._space.snapshot(kv)
            step = decide(seen.term, bid, session)
            if step is Step.NOTHING and not self._under_way.doubtful(seen.term, bid, session):
                return seen
            done, kv = await self._do(step, bid, kv, seen.term)
            if done:
                return self._space.snapshot(kv)
        raise Unavailable(f"election {bid.election} changed too often while it was bid for")

    async def _do(
        self, step: Step, bid: Bid, kv: pb.KeyValue, term: Term | None
    ) -> tuple[bool, pb.KeyValue]:
        """Do a step on the key as it was read; return whether it was done, and the key now."""
        key = kv.key
        if term is None:
            return await self._begin(bid, kv)
        if step is Step.MOVE:
            return await self._move(bid, kv, term)
        changed = term if step is Step.NOTHING else bid.changing(term)
        write = pb.TxnRequest(
            compare=[is_at(key, kv.mod_revision)], success=[put(key, changed, None)]
        )
        done, kv = await self._write(write, key)
        if done:
            self._under_way.ending.discard(Claim(term.election, term.token))
        return done, kv

    async def _begin(self, bid: Bid, kv: pb.KeyValue) -> tuple[bool, pb.KeyValue]:
        key = kv.key
        if kv.create_revision:  # no gateway wrote this; its revision must not become a token
            clear = pb.TxnRequest(compare=[is_at(key, kv.mod_revision)], success=[delete(key)])
            await self._client.call(TXN, clear)
        lease = self._leases.first
        backend_ttl = timedelta(seconds=self._leases.granted[lease])
        term = bid.beginning(self._leases.session, backend_ttl, _now())
        write = pb.TxnRequest(compare=[is_vacant(key)], success=[put(key, term, lease)])
        return await self._write(write, key)

    async def _move(self, bid: Bid, kv: pb.KeyValue, term: Term) -> tuple[bool, pb.KeyValue]:
        lease = await self._leases.for_at_least(term.backend_ttl.total_seconds())
        try:
            moved = replace(
                bid.changing(term),
                session=self._leases.session,
                backend_ttl=max(
                    term.backend_ttl, timedelta(seconds=self._leases.granted.get(lease, 0))
                ),
            )
            return await self._write(
                pb.TxnRequest(
                    compare=[is_at(kv.key, kv.mod_revision)], success=[put(kv.key, moved, lease)]
                ),
                kv.key,
            )
        finally:
            self._leases.done_with(lease)

    async def _write(self, write: pb.TxnRequest, key: bytes) -> tuple[bool, pb.KeyValue]:
        """Write, and read in the same step what is there then."""
        write.success.append(look(key))
        write.failure.append(look(key))
        answer = await self._client.call(TXN, write)
        return answer.succeeded, found(key, answer.responses[-1].response_range.kvs)

    async def release(self, term: Term) -> None:
        key = self._space.key(term.election)
        compare = hangs_on(key, term.token, term.session)
        await self._client.call(TXN, pb.TxnRequest(compare=compare, success=[delete(key)]))


def _now() -> datetime:
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
