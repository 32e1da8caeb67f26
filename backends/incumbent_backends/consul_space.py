"""A namespace in a Consul: its marker, reads that say what is so now, and transactions.

Every read brings the marker along, and every transaction uses a session: what another Consul at
the same address says is no answer, and it can grant nothing.
"""

import base64
import json
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from incumbent_backends.api import BackendError, Rejected, Term, Unavailable
from incumbent_backends.consul_entry import FLAGS, Entry, nothing, read_entry, write_entry
from incumbent_backends.consul_errors import NO_CONSUL, NO_LEADER, NO_RIGHT
from incumbent_backends.consul_http import ANSWER, Agent, Answer, Pool

MECHANISM, LAYOUT = "consul sessions", 1
MOST = 60  # operations of one transaction; Consul takes 128

Operation = dict[str, Any]
CONSISTENT = {"consistent": ""}  # the leader asks the others first whether it still is one


class Tree(NamedTuple):
    """The whole namespace at one index, which is that of its last change."""

    at: int  # 0: Consul gave none
    entries: dict[str, Entry]


class Conflict(NamedTuple):
    """A transaction that did nothing: which operations failed, and why."""

    failed: dict[int, str]

    @property
    def session_over(self) -> bool:
        return any("invalid session" in why for why in self.failed.values())


class Space:
    """The keys under one prefix."""

    def __init__(self, agent: Agent, namespace: str) -> None:
        self.agent = agent
        self.namespace = namespace
        self.prefix = f"incumbent/{namespace}/"
        self._marker_key = f"{self.prefix}marker"
        self._terms = f"{self.prefix}term/"
        self._marker: str | None = None  # its value, in base64, from entering on

    async def enter(self) -> None:
        """Write or check the marker, and see that we may write. Rejected; Unavailable."""
        await self._insist_on_consul()
        pair = await self._read_marker()
        if pair is None:
            fresh = {"mechanism": MECHANISM, "layout": LAYOUT, "id": secrets.token_hex(16)}
            await self._write_marker(0, base64.b64encode(json.dumps(fresh).encode()).decode())
            pair = await self._read_marker()
            if pair is None:  # it is hidden from a token that may not read it
                raise self.agent.unfit(NO_RIGHT)
        self._insist_on_mechanism(pair)
        self._marker = pair["Value"]
        # Writing what is there changes nothing, and needs the right to write.
        await self._write_marker(pair["ModifyIndex"], pair["Value"])
        await self.tree(Pool.WORK)

    async def _insist_on_consul(self) -> None:
        try:
            answer = await self.agent.call(Pool.WORK, "GET", "/v1/status/leader")
        except Unavailable as error:
            sentence = await self.agent.stranger()
            if sentence is None:
                raise
            raise self.agent.unfit(sentence) from error
        try:
            leader = json.loads(answer.body) if answer.status == 200 else None
        except (ValueError, RecursionError):
            leader = None
        if not isinstance(leader, str):
            raise self.agent.unfit(NO_CONSUL)
        if not leader:
            raise Unavailable(NO_LEADER)

    async def _read_marker(self) -> dict[str, Any] | None:
        path = f"/v1/kv/{quote(self._marker_key)}"
        answer = await self.agent.call(Pool.WORK, "GET", path, CONSISTENT)
        if answer.status == 404:
            return None
        (pair,) = answer.json()
        return dict(pair)

    async def _write_marker(self, index: int, value: str) -> None:
        await self.apply(
            _operation("cas", self._marker_key, Index=index, Value=value, Flags=FLAGS)
        )  # a conflict: somebody was faster

    def _insist_on_mechanism(self, pair: dict[str, Any]) -> None:
        text = base64.b64decode(pair.get("Value") or "").decode(errors="replace")
        try:
            marker = json.loads(text)
            theirs, layout = marker["mechanism"], marker["layout"]
        except (ValueError, LookupError, TypeError, RecursionError):
            raise Rejected(
                f"the key {self._marker_key} in Consul holds what no gateway wrote:"
                " choose another namespace"
            ) from None
        if (theirs, layout) != (MECHANISM, LAYOUT):
            raise Rejected(
                f"namespace {self.namespace!r} of this Consul belongs to the mechanism {theirs!r},"
                f" layout {layout}; this gateway uses {MECHANISM!r}, layout {LAYOUT}"
            )

    async def insist(self) -> None:
        """Raise unless this is the Consul that we entered, with our marker."""
        await self._look(Pool.RENEWALS)

    async def entry(self, election: str) -> Entry:
        """Read one election, now."""
        key = self._terms + election
        found = (await self._look(Pool.WORK, key)).get(key)
        return nothing(election) if found is None else read_entry(election, found)

    async def _look(self, pool: Pool, *keys: str) -> dict[str, dict[str, Any]]:
        """Read the marker, which must be ours, and these keys at the same moment."""
        gets = [_operation("get-or-empty", key) for key in (self._marker_key, *keys)]
        answer = await self.agent.call(pool, "PUT", "/v1/txn", CONSISTENT, gets)
        if answer.status != 200:
            raise self._foreign() if answer.status == 404 else self._refused(_conflict(answer))
        pairs = {each["KV"]["Key"]: each["KV"] for each in answer.json()["Results"] or ()}
        self._insist_on_marker(pairs.get(self._marker_key))
        return {key: pair for key, pair in pairs.items() if pair["ModifyIndex"]}

    def _insist_on_marker(self, pair: Mapping[str, Any] | None) -> None:
        if pair is None or pair.get("Value") != self._marker:
            raise self._foreign()

    def _foreign(self) -> BackendError:
        return self.agent.unfit(
            "another Consul than at the start answers, the namespace's marker was deleted or"
            " changed, or this ACL token may no longer read it: not used"
        )

    async def index(self, pool: Pool) -> int:
        """The index of the namespace's last change, which the leader is sure of."""
        answer = await self._list(pool, {"keys": "", "separator": "/", **CONSISTENT}, ANSWER)
        return answer.at

    async def tree(
        self,
        pool: Pool,
        known: Mapping[str, Entry] = {},
    ) -> Tree:
        """Read the whole namespace, now."""
        return self._tree(await self._list(pool, {"recurse": "", **CONSISTENT}, ANSWER), known)

    async def change(self, known: Mapping[str, Entry], index: int, wait: float) -> Tree:
        """Read it when it has changed since this index, or when so many seconds have passed."""
        parameters = {"recurse": "", "index": str(index), "wait": f"{wait:g}s"}
        # Consul adds up to a sixteenth to what it is told to wait.
        answer = await self._list(Pool.QUERY, parameters, wait * 17 / 16 + ANSWER)
        return self._tree(answer, known)

    async def _list(self, pool: Pool, parameters: Mapping[str, str], seconds: float) -> Answer:
        path = f"/v1/kv/{quote(self.prefix)}"
        answer = await self.agent.call(pool, "GET", path, parameters, seconds=seconds)
        if answer.status != 200:
            raise self._foreign()
        return answer

    def _tree(self, answer: Answer, known: Mapping[str, Entry]) -> Tree:
        entries: dict[str, Entry] = {}
        marker = None
        for pair in answer.json():
            key = pair["Key"]
            if key.startswith(self._terms):
                election = key.removeprefix(self._terms)
                entries[election] = read_entry(election, pair, known.get(election))
            elif key == self._marker_key:
                marker = pair
        self._insist_on_marker(marker)
        return Tree(answer.at, entries)

    async def apply(self, *operations: Operation) -> int | Conflict:
        """Do all of it or nothing: the index of the last operation's key, or what failed."""
        answer = await self.agent.call(Pool.WORK, "PUT", "/v1/txn", {}, operations)
        if answer.status == 409:
            conflict = _conflict(answer)
            if any("permission denied" in why.lower() for why in conflict.failed.values()):
                raise self._refused(conflict)
            return conflict
        if answer.status != 200:
            raise self._foreign()
        results = answer.json()["Results"] or []
        return int(results[-1]["KV"]["ModifyIndex"]) if results else 0

    def _refused(self, conflict: Conflict) -> BackendError:
        denied = any("permission denied" in why.lower() for why in conflict.failed.values())
        if denied:
            return self.agent.unfit(NO_RIGHT)
        return Unavailable("Consul could not do this transaction")

    async def forget(self, entries: list[Entry]) -> set[str]:
        """Delete the keys that are still as these entries; name the elections that were."""
        gone: set[str] = set()
        for first in range(0, len(entries), MOST):
            chunk = entries[first : first + MOST]
            while chunk:
                outcome = await self.apply(*map(self.delete, chunk))
                if not isinstance(outcome, Conflict):
                    gone.update(entry.election for entry in chunk)
                    break
                left = [each for n, each in enumerate(chunk) if n not in outcome.failed]
                if len(left) == len(chunk):
                    break
                chunk = left
        return gone

    def delete(self, entry: Entry) -> Operation:
        """As long as it is as it was read."""
        return _operation("delete-cas", self._terms + entry.election, Index=entry.index)

    def unlock(self, entry: Entry) -> list[Operation]:
        """Free its lock, for another in the same transaction; as long as it is as it was read."""
        key = self._terms + entry.election
        return [
            _operation("check-index", key, Index=entry.index),
            _operation("unlock", key, Session=entry.lock),
        ]

    def vacant(self, entry: Entry) -> Operation:
        """Make sure that there is no key, or not the one that was read any more."""
        if entry.there:
            return self.delete(entry)
        return _operation("check-not-exists", self._terms + entry.election)

    def lock(self, term: Term, by: str) -> Operation:
        """Write a term down, under this session's lock."""
        key = self._terms + term.election
        return _operation("lock", key, Session=by, Value=write_entry(term, by), Flags=FLAGS)


def _operation(verb: str, key: str, **more: object) -> Operation:
    return {"KV": {"Verb": verb, "Key": key, **more}}


def _conflict(answer: Answer) -> Conflict:
    errors = answer.json().get("Errors") or ()
    return Conflict({int(each["OpIndex"]): str(each["What"]) for each in errors})
