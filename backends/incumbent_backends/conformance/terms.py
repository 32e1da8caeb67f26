"""Laws of acquire, release, read and tokens, on sessions that live."""

import asyncio
from itertools import pairwise

from incumbent_backends.api import Backend, Term
from incumbent_backends.conformance.bids import ANN, BOB, ELECTION, bid, claim, win, won
from incumbent_backends.conformance.harness import Harness


class TermLaws:
    """One election, one or two sessions, no faults."""

    async def test_an_election_nobody_entered_is_vacant(self, harness: Harness) -> None:
        backend = await harness.open()
        snapshot = await backend.read(ELECTION)
        assert (snapshot.election, snapshot.term) == (ELECTION, None)

    async def test_a_vacancy_is_won(self, harness: Harness) -> None:
        backend = await harness.open()
        snapshot = await backend.acquire(
            ELECTION, holder=ANN, attempt=3, candidate="node-a", value=b"at:7400"
        )
        term = won(backend, snapshot)
        assert term.token > 0
        assert (term.attempt, term.candidate, term.value) == (3, "node-a", b"at:7400")
        assert term.backend_ttl >= harness.backend_ttl
        assert term.begin_time.utcoffset() is not None
        assert (await backend.read(ELECTION)).term == term

    async def test_a_win_without_a_value_has_the_empty_one(self, harness: Harness) -> None:
        backend = await harness.open()
        assert (await win(backend)).value == b""

    async def test_only_a_vacancy_is_won(self, harness: Harness) -> None:
        one, other = await harness.open(), await harness.open()
        before = await bid(one, value=b"first")
        for loser in (one, other):  # on the winner's own session too
            assert await bid(loser, by=BOB, attempt=9, value=b"second") == before
        assert await other.read(ELECTION) == before

    async def test_tokens_grow_across_release_expiry_and_deletion(self, harness: Harness) -> None:
        one, other = await harness.open(), await harness.open()
        terms = [await win(one)]
        await one.release(terms[-1])
        terms.append(await win(other, by=BOB))
        await harness.expire(other)
        terms.append(await win(one))
        await harness.delete(ELECTION)
        terms.append(await win(one, by=BOB))
        await harness.end_session(one.session)
        terms.append(await win(await harness.open()))
        assert_growing(terms)

    async def test_tokens_grow_when_every_session_left(self, harness: Harness) -> None:
        terms: list[Term] = []
        for _ in range(3):
            backend = await harness.open()
            terms.append(await win(backend))
            await backend.release(terms[-1])
            await harness.leave(backend)
        assert_growing(terms)

    async def test_acquire_again_heals_an_unknown_outcome(self, harness: Harness) -> None:
        backend = await harness.open()
        first = await bid(backend, value=b"x")
        # The first answer was lost, say. The same term comes back: no second token.
        assert await bid(backend, value=b"x") == first
        won(backend, first)

    async def test_the_same_holder_elsewhere_comes_back_unchanged(self, harness: Harness) -> None:
        here, there = await harness.open(), await harness.open()
        before = await bid(there)
        for attempt in (1, 2):
            after = await bid(here, attempt=attempt, value=b"mine")
            assert after == before
            assert after.term is not None
            assert after.term.session != here.session  # so it is no win

    async def test_resume_with_the_same_attempt_proclaims(self, harness: Harness) -> None:
        backend = await harness.open()
        term = await win(backend)
        after = won(backend, await bid(backend, value=b"new", resume=term.token))
        assert after.value == b"new"
        assert same_leadership(after, term)
        assert (after.attempt, after.session) == (term.attempt, term.session)
        assert (await (await harness.open()).read(ELECTION)).term == after

    async def test_no_value_keeps_the_proclaimed_one(self, harness: Harness) -> None:
        backend = await harness.open()
        token = won(backend, await bid(backend, value=b"kept")).token
        kept = await bid(backend, resume=token)
        assert won(backend, kept).value == b"kept"
        emptied = await bid(backend, value=b"", resume=token)
        assert won(backend, emptied).value == b""

    async def test_resume_with_a_greater_attempt_raises_it(self, harness: Harness) -> None:
        backend = await harness.open()
        term = await win(backend)
        after = won(backend, await bid(backend, attempt=5, resume=term.token))
        assert after.attempt == 5
        assert same_leadership(after, term)

    async def test_resume_with_a_smaller_attempt_changes_nothing(self, harness: Harness) -> None:
        one, other = await harness.open(), await harness.open()
        before = await bid(one, attempt=5)
        assert before.term is not None
        for backend in (one, other):
            after = await bid(backend, attempt=4, value=b"late", resume=before.term.token)
            assert after == before

    async def test_resume_elsewhere_with_the_same_attempt_changes_nothing(
        self, harness: Harness
    ) -> None:
        one, other = await harness.open(), await harness.open()
        before = await bid(one, attempt=5)
        assert before.term is not None
        assert await bid(other, attempt=5, value=b"x", resume=before.term.token) == before

    async def test_resume_of_a_wrong_token_changes_nothing(self, harness: Harness) -> None:
        one, other = await harness.open(), await harness.open()
        before = await bid(one)
        assert before.term is not None
        for token in (before.term.token + 1, before.term.token - 1, 2**63 - 1):
            for backend in (one, other):
                assert await bid(backend, attempt=2, value=b"x", resume=token) == before

    async def test_resume_of_a_dead_token_wins_nothing(self, harness: Harness) -> None:
        backend = await harness.open()
        dead = await win(backend)
        await backend.release(dead)
        snapshot = await bid(backend, attempt=2, resume=dead.token)
        assert snapshot.term is None
        assert (await backend.read(ELECTION)).term is None

    async def test_resume_never_reaches_the_holders_next_term(self, harness: Harness) -> None:
        backend = await harness.open()
        dead = await win(backend)
        await backend.release(dead)
        before = await bid(backend)
        assert await bid(backend, attempt=2, value=b"x", resume=dead.token) == before

    async def test_resume_by_another_holder_changes_nothing(self, harness: Harness) -> None:
        one, other = await harness.open(), await harness.open()
        before = await bid(one)
        assert before.term is not None
        for backend in (one, other):
            after = await bid(backend, by=BOB, attempt=2, value=b"x", resume=before.term.token)
            assert after == before

    async def test_release_makes_a_vacancy(self, harness: Harness) -> None:
        one, other = await harness.open(), await harness.open()
        term = await win(one)
        await one.release(term)
        assert (await other.read(ELECTION)).term is None
        await win(other, by=BOB)

    async def test_release_is_repeated_safely(self, harness: Harness) -> None:
        one, other = await harness.open(), await harness.open()
        ended = await win(one)
        await one.release(ended)
        await one.release(ended)
        for successor in (one, other):
            before = await bid(successor, by=BOB)
            await one.release(ended)  # a late copy
            assert await one.read(ELECTION) == before
            await successor.release(won(successor, before, by=BOB))

    async def test_release_ends_one_election_only(self, harness: Harness) -> None:
        backend = await harness.open()
        first, second = await win(backend, "a"), await win(backend, "a/b")
        await backend.release(first)
        assert (await backend.read("a/b")).term == second

    async def test_read_is_fresh(self, harness: Harness) -> None:
        one, other = await harness.open(), await harness.open()
        for _ in range(20):
            before = await bid(one)
            assert await other.read(ELECTION) == before
            await one.release(won(one, before))
            assert (await other.read(ELECTION)).term is None

    async def test_equal_versions_mean_an_equal_state(self, harness: Harness) -> None:
        one, other = await harness.open(), await harness.open()
        states = [await bid(one)]
        token = won(one, states[0]).token
        states += [await bid(one, value=v, resume=token) for v in (b"x", b"y", b"x")]
        await one.release(won(one, states[-1]))
        states.append(await bid(one))
        for state, following in pairwise(states):
            assert state.version != following.version
        assert (await other.read(ELECTION)).version == states[-1].version

    async def test_every_allowed_name_and_value_is_kept(self, harness: Harness) -> None:
        backend = await harness.open()
        longest = "/".join(["Az09._-x" * 7] * 4 + ["z" * 27])
        assert len(longest) == 255
        value, candidate = bytes(range(256)) * 16, "é🜁漢" * 42 + "'\""
        snapshot = await backend.acquire(
            longest, holder=ANN, attempt=2**31, candidate=candidate, value=value
        )
        assert (await backend.read(longest)).term == won(backend, snapshot)
        assert (snapshot.term.value, snapshot.term.candidate) == (value, candidate)  # type: ignore[union-attr]

    async def test_names_are_told_apart(self, harness: Harness) -> None:
        backend = await harness.open()
        names = ["a", "A", "a/b", "a.b", "a_b", "a-b", "aXb", "a/b/c"]
        terms = [await win(backend, name) for name in names]
        assert len({term.token for term in terms}) == len(names)
        kept = [claim(term) for term in terms if term.election != "a_b"]
        for _ in range(2):
            await backend.renew(kept)
        assert (await backend.read("a_b")).term is None
        assert (await backend.read("aXb")).term == terms[names.index("aXb")]

    async def test_namespaces_never_see_each_other(self, harness: Harness) -> None:
        here = await harness.open()
        there = await harness.open(namespace=harness.namespace + "-other")
        mine, theirs = await win(here), await win(there, by=BOB)
        await there.release(theirs)
        await there.renew([])
        assert (await here.read(ELECTION)).term == mine
        assert (await there.read(ELECTION)).term is None

    async def test_of_64_concurrent_bids_one_wins(self, harness: Harness) -> None:
        backends = [await harness.open() for _ in range(8)]
        bids = [(backends[n % 8], f"{n:064x}") for n in range(64)]
        after = await asyncio.gather(*(bid(backend, by=by) for backend, by in bids))
        winner = after[0].term
        assert winner is not None
        assert {snapshot.term for snapshot in after} == {winner}
        assert (winner.session, winner.holder) in {(b.session, by) for b, by in bids}

    async def test_concurrent_wins_of_many_elections_take_rising_tokens(
        self, harness: Harness
    ) -> None:
        backends = [await harness.open() for _ in range(4)]
        last: dict[str, int] = {}
        for _ in range(5):
            everybody = [(n, i) for n in range(4) for i in range(4)]
            after = await asyncio.gather(
                *(bid(backends[i], f"e/{n}", by=f"{i:064x}") for n, i in everybody)
            )
            terms = {snapshot.term for snapshot in after}
            assert len(terms) == len({t.election for t in terms if t}) == 4
            for term in terms:
                assert term is not None
                assert term.token > last.get(term.election, 0)
                last[term.election] = term.token
                await named(backends, term.session).release(term)


def assert_growing(terms: list[Term]) -> None:
    """Each token is strictly greater than the one before."""
    tokens = [term.token for term in terms]
    assert tokens == sorted(set(tokens))


def same_leadership(one: Term, other: Term) -> bool:
    """Whether it is one term still: what neither a proclaim nor a move touches."""
    return (one.token, one.holder, one.candidate, one.begin_time) == (
        other.token, other.holder, other.candidate, other.begin_time,
    )  # fmt: skip


def named(backends: list[Backend], session: str) -> Backend:
    """The backend whose session this is."""
    return next(backend for backend in backends if backend.session == session)
