"""Laws of the session: renew, its death, and leaving."""

import asyncio

import pytest

from incumbent_backends.api import Backend, Claim, Renewal, Unavailable
from incumbent_backends.conformance.bids import ANN, BOB, ELECTION, bid, claim, win
from incumbent_backends.conformance.harness import Harness


class SessionLaws:
    """What hangs on a session, for how long, and what becomes of it."""

    async def test_every_session_has_a_name_of_its_own(self, harness: Harness) -> None:
        backends = [await harness.open() for _ in range(4)]
        assert len({backend.session for backend in backends}) == 4
        assert {backend.session for backend in backends} == set(await harness.living_sessions())

    async def test_limits_are_known_before_opening(self, harness: Harness) -> None:
        closed = harness.build(namespace=harness.namespace, backend_ttl=harness.backend_ttl)
        limits, opened = closed.limits, (await harness.open()).limits
        assert limits.kind
        assert limits.kind == opened.kind
        assert limits.min_backend_ttl <= harness.backend_ttl <= limits.max_backend_ttl
        assert limits.expiry_factor >= 1
        assert limits.moves_terms == opened.moves_terms

    async def test_renew_keeps_what_is_claimed(self, harness: Harness) -> None:
        backend = await harness.open()
        terms = [await win(backend, f"e/{n}") for n in range(3)]
        for _ in range(3):
            renewal = await backend.renew([claim(term) for term in terms])
            assert renewal.survivors == {claim(term) for term in terms}
        for term in terms:
            assert (await backend.read(term.election)).term == term

    async def test_renew_promises_time(self, harness: Harness) -> None:
        backend = await harness.open()
        first = await backend.renew([])
        second = await backend.renew([])
        assert second.good_until >= first.good_until > 0

    async def test_renew_ends_what_is_left_out(self, harness: Harness) -> None:
        backend, other = await harness.open(), await harness.open()
        kept, dropped = await win(backend, "kept"), await win(backend, "dropped")
        await renew_twice(backend, [claim(kept)])  # where it takes a new session: two ticks
        assert (await backend.renew([claim(kept)])).survivors == {claim(kept)}
        assert (await other.read(dropped.election)).term is None
        await win(other, dropped.election, by=BOB)

    async def test_renew_ends_a_term_whose_token_is_not_the_claimed_one(
        self, harness: Harness
    ) -> None:
        backend = await harness.open()
        term = await win(backend)
        await renew_twice(backend, [Claim(ELECTION, term.token - 1), Claim("other", term.token)])
        assert (await backend.read(ELECTION)).term is None

    async def test_renew_spares_an_election_with_an_acquire_under_way(
        self, harness: Harness
    ) -> None:
        backend = await harness.open()
        term = await win(backend)
        renewal = await renew_twice(backend, [Claim(ELECTION, None)])
        assert renewal.survivors == {claim(term)}  # with its token: the core may have missed it
        assert (await backend.read(ELECTION)).term == term

    async def test_renew_inserts_nothing(self, harness: Harness) -> None:
        backend, other = await harness.open(), await harness.open()
        released = await win(backend)
        await backend.release(released)
        claims = [claim(released), Claim("never/led", 7), Claim("under/way", None)]
        assert (await backend.renew(claims)).survivors == frozenset()
        for election in (ELECTION, "never/led", "under/way"):
            assert (await other.read(election)).term is None

    async def test_renew_neither_keeps_nor_ends_what_hangs_elsewhere(
        self, harness: Harness
    ) -> None:
        here, there = await harness.open(), await harness.open()
        theirs = await win(there)
        assert (await here.renew([claim(theirs)])).survivors == frozenset()
        assert (await here.renew([])).survivors == frozenset()
        assert (await here.read(ELECTION)).term == theirs

    @pytest.mark.parametrize("head_start", range(4))
    async def test_a_term_acquired_after_renew_began_survives_it(
        self, harness: Harness, head_start: int
    ) -> None:
        backend = await harness.open()
        for n in range(12):
            election = f"round/{n}"
            renewal = asyncio.create_task(backend.renew([]))
            for _ in range(1 + head_start):  # until it has begun, and a little further each time
                await asyncio.sleep(0)
            term = await win(backend, election)
            await renewal
            assert (await backend.read(election)).term == term

    async def test_a_term_moved_here_after_renew_began_survives_it(self, harness: Harness) -> None:
        here, there = await harness.open(), await harness.open()
        term = await win(there)
        renewal = asyncio.create_task(here.renew([]))
        await asyncio.sleep(0)
        if not here.limits.moves_terms:
            await renewal
            return
        moved = await bid(here, attempt=2, resume=term.token)
        await renewal
        assert await here.read(ELECTION) == moved
        assert moved.term is not None
        assert moved.term.session == here.session

    async def test_a_dead_session_leaves_vacancies(self, harness: Harness) -> None:
        dead, other = await harness.open(), await harness.open()
        elections = [f"e/{n}" for n in range(3)]
        for election in elections:
            await win(dead, election)
        survivor = await win(other, "survivor")
        await harness.expire(dead)
        for reader in (dead, other):
            for election in elections:
                assert (await reader.read(election)).term is None
            assert (await reader.read("survivor")).term == survivor

    async def test_a_dead_session_wins_nothing_until_renewed(self, harness: Harness) -> None:
        backend = await harness.open()
        await win(backend)
        await harness.expire(backend)
        for _ in range(2):
            with pytest.raises(Unavailable):
                await bid(backend)
        assert (await backend.read(ELECTION)).term is None

    async def test_a_dead_session_is_replaced_by_one_of_a_new_name(self, harness: Harness) -> None:
        backend = await harness.open()
        old, term = backend.session, await win(backend)
        await harness.expire(backend)
        assert (await backend.renew([claim(term)])).survivors == frozenset()
        assert backend.session != old
        assert (await backend.read(ELECTION)).term is None  # nothing came back with it
        assert (await win(backend)).token > term.token

    async def test_a_session_ended_by_hand_is_replaced_too(self, harness: Harness) -> None:
        backend, other = await harness.open(), await harness.open()
        old, term = backend.session, await win(backend)
        await harness.end_session(old)
        assert (await other.read(ELECTION)).term is None
        assert (await backend.renew([claim(term)])).survivors == frozenset()
        assert backend.session != old
        assert (await win(backend)).token > term.token

    async def test_a_late_renewal_takes_nothing_from_the_successor(self, harness: Harness) -> None:
        late, other = await harness.open(), await harness.open()
        ended = await win(late)
        await harness.expire(late)
        successor = await win(other, by=BOB)
        for keep in ([claim(ended)], [Claim(ELECTION, None)], []):
            assert (await late.renew(keep)).survivors == frozenset()
        await late.release(ended)
        assert (await late.read(ELECTION)).term == successor

    async def test_a_deleted_record_is_gone_from_the_renewal(self, harness: Harness) -> None:
        backend = await harness.open()
        kept, deleted = await win(backend, "kept"), await win(backend)
        await harness.delete(ELECTION)
        renewal = await backend.renew([claim(kept), claim(deleted)])
        assert claim(deleted) not in renewal.survivors
        assert (await backend.read(ELECTION)).term is None

    async def test_leaving_ends_an_empty_session(self, harness: Harness) -> None:
        backend, other = await harness.open(), await harness.open()
        name = backend.session
        await backend.release(await win(backend))
        await harness.leave(backend)
        living = set(await harness.living_sessions())
        assert name not in living
        assert other.session in living

    async def test_leaving_keeps_live_terms_where_they_can_move(self, harness: Harness) -> None:
        leaving, other = await harness.open(), await harness.open()
        term = await win(leaving)
        await harness.leave(leaving)
        if not other.limits.moves_terms:
            assert (await other.read(ELECTION)).term is None
            return
        assert (await other.read(ELECTION)).term == term
        moved = (await bid(other, by=ANN, attempt=2, resume=term.token)).term
        assert moved is not None
        assert (moved.token, moved.session) == (term.token, other.session)


async def renew_twice(backend: Backend, keep: list[Claim]) -> Renewal:
    """Tick twice, which is the bound for a term left out; return the second answer."""
    await backend.renew(keep)
    return await backend.renew(keep)
