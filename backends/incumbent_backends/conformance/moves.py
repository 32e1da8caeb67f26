"""Laws of a term that passes from one session to another, and of stores where none does."""

import asyncio

import pytest

from incumbent_backends.api import Backend, Snapshot, Term, Unavailable
from incumbent_backends.conformance.bids import BOB, ELECTION, bid, claim, win, won
from incumbent_backends.conformance.harness import Harness
from incumbent_backends.conformance.terms import same_leadership


class MoveLaws:
    """Every test holds on a store that cannot move terms too: there, nothing moves."""

    async def test_a_move_keeps_the_term(self, harness: Harness) -> None:
        old, new = await harness.open(), await harness.open()
        term = await win(old)
        moved = await move(new, term)
        if moved is None:
            return
        assert same_leadership(moved, term)
        assert (moved.session, moved.attempt) == (new.session, term.attempt + 1)
        for backend in (old, new):
            assert (await backend.read(ELECTION)).term == moved

    async def test_a_move_keeps_the_value_or_sets_it(self, harness: Harness) -> None:
        one, other = await harness.open(), await harness.open()
        term = won(one, await bid(one, value=b"kept"))
        moved = await move(other, term)
        if moved is None:
            return
        assert moved.value == b"kept"
        back = await bid(one, attempt=moved.attempt + 1, value=b"set", resume=term.token)
        assert won(one, back).value == b"set"

    async def test_a_store_that_cannot_move_terms_moves_none(self, harness: Harness) -> None:
        old, new = await harness.open(), await harness.open()
        term = await win(old)
        if (await move(new, term)) is None:  # asserts that nothing changed
            after = await bid(old, attempt=2, resume=term.token)
            assert same_leadership(won(old, after), term)

    async def test_a_moved_term_leaves_nothing_on_the_old_session(self, harness: Harness) -> None:
        old, new = await harness.open(), await harness.open()
        term = await win(old)
        moved = await move(new, term)
        if moved is None:
            return
        assert (await old.renew([claim(term)])).survivors == frozenset()
        assert (await new.renew([claim(term)])).survivors == {claim(term)}
        await old.renew([])  # the old gateway wants nothing any more: no concern of this term
        await old.release(term)
        assert (await new.read(ELECTION)).term == moved

    async def test_a_moved_term_lives_and_dies_with_the_new_session(self, harness: Harness) -> None:
        old, new, third = [await harness.open() for _ in range(3)]
        term = await win(old)
        moved = await move(new, term)
        if moved is None:
            return
        await harness.expire(old)
        assert (await third.read(ELECTION)).term == moved
        await harness.expire(new)
        assert (await third.read(ELECTION)).term is None

    async def test_a_term_that_moved_away_and_back_is_not_ended_by_an_old_release(
        self, harness: Harness
    ) -> None:
        one, other = await harness.open(), await harness.open()
        term = await win(one)
        away = await move(other, term)
        if away is None:
            return
        back = await move(one, away)
        assert back is not None
        await other.release(away)
        assert (await other.read(ELECTION)).term == back
        assert (await one.renew([claim(term)])).survivors == {claim(term)}

    async def test_the_old_session_resumes_only_with_a_greater_attempt(
        self, harness: Harness
    ) -> None:
        old, new = await harness.open(), await harness.open()
        term = await win(old)
        moved = await move(new, term)
        if moved is None:
            return
        for attempt in (term.attempt, moved.attempt):
            stale = await bid(old, attempt=attempt, value=b"stale", resume=term.token)
            assert stale.term == moved

    async def test_a_move_never_shortens(self, harness: Harness) -> None:
        ttls = [harness.backend_ttl * n for n in (2, 1)]
        long, short = [await harness.open(backend_ttl=ttl) for ttl in ttls]
        term = await win(long)
        moved = await move(short, term)
        if moved is None:
            return
        assert moved.backend_ttl >= term.backend_ttl >= ttls[0]
        third = await move(await harness.open(), moved)
        assert third is not None
        assert third.backend_ttl >= term.backend_ttl

    async def test_a_move_to_a_longer_session_records_the_longer_ttl(
        self, harness: Harness
    ) -> None:
        short = await harness.open()
        long = await harness.open(backend_ttl=harness.backend_ttl * 2)
        moved = await move(long, await win(short))
        if moved is not None:
            assert moved.backend_ttl >= harness.backend_ttl * 2

    async def test_a_move_onto_a_dead_session_moves_nothing(self, harness: Harness) -> None:
        dead, living = await harness.open(), await harness.open()
        term = await win(living)
        await harness.expire(dead)
        with pytest.raises(Unavailable):
            await bid(dead, attempt=2, resume=term.token)
        assert (await living.read(ELECTION)).term == term

    async def test_a_move_from_a_dead_session_wins_nothing(self, harness: Harness) -> None:
        dead, living = await harness.open(), await harness.open()
        term = await win(dead)
        await harness.expire(dead)
        for _ in range(2):
            after = await bid(living, attempt=2, resume=term.token)
            assert after.term is None
        successor = await win(living, by=BOB)
        assert (await bid(living, attempt=3, resume=term.token)).term == successor

    async def test_concurrent_moves_leave_one_owner(self, harness: Harness) -> None:
        first = await harness.open()
        others = [await harness.open() for _ in range(6)]
        term = await win(first)
        moves = (try_move(b, term, attempt=2 + n % 3) for n, b in enumerate(others))
        after = await asyncio.gather(*moves)
        final = (await first.read(ELECTION)).term
        assert final is not None
        assert same_leadership(final, term)
        if first.limits.moves_terms:
            assert any(s is not None and s.term is not None and s.term == final for s in after)
        sessions = [first, *others]
        survivors = [await backend.renew([claim(term)]) for backend in sessions]
        owners = [b.session for b, s in zip(sessions, survivors, strict=True) if s.survivors]
        assert owners == [final.session]


async def try_move(backend: Backend, term: Term, attempt: int) -> Snapshot | None:
    """Resume elsewhere; None when nothing was moved because nothing could be."""
    try:
        return await bid(backend, term.election, attempt=attempt, resume=term.token)
    except Unavailable:
        return None


async def move(to: Backend, term: Term) -> Term | None:
    """Move the term, or return None having seen that this store moves nothing."""
    snapshot = await try_move(to, term, term.attempt + 1)
    if to.limits.moves_terms:
        assert snapshot is not None
        return won(to, snapshot, by=term.holder)
    assert (await to.read(term.election)).term == term
    return None
