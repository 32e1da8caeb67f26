"""Elector: several gateways, one store, virtual time."""

import pytest

from incumbent_server.candidacy import State
from incumbent_server.elector import Elector
from incumbent_server.reasons import Reason, Refused
from tests.histories.events import Observed, Stored
from tests.simulation.store import Weather
from tests.unit.booth import entry
from tests.unit.stage import BACKEND_TTL, ELECTION, Stage, play


def test_enter_lead_proclaim_resign_and_nothing_is_left() -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.enter(stage.a, entry("ann", value=b"v"))
        assert ann.shows(State.LEADING)
        assert ann.views[-1].trust == pytest.approx(2.94, abs=0.1)
        campaign = ann.campaign
        assert campaign is not None
        await stage.on(stage.a, lambda _: campaign.proclaim(b"w"))
        await stage.wait(0.1)
        assert stage.term is not None
        assert (stage.term.value, stage.term.token) == (b"w", ann.token)
        await stage.on(stage.a, lambda _: campaign.resign())
        await stage.wait(0.1)
        assert ann.end is not None
        assert (ann.end.reason, ann.end.term and ann.end.term.token) == (None, ann.token)
        assert stage.vacant()
        await stage.wait(1.1)
        assert stage.a.leftovers() == []

    play(story)


def test_a_vacancy_wakes_the_other_gateway_by_the_watch() -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.enter(stage.a, entry("ann"))
        bob = await stage.enter(stage.b, entry("bob"))
        assert bob.shows(State.WAITING)
        assert bob.token == ann.token
        await stage.ask(stage.a, lambda elector: elector.resign(ELECTION, "ann"))
        await stage.wait(0.15)
        assert bob.shows(State.LEADING)
        assert bob.token > ann.token

    play(story)


def test_a_silent_client_costs_its_ttl_and_not_the_stores() -> None:
    async def story(stage: Stage) -> None:
        await stage.enter(stage.a, entry("ann", ttl=1))
        bob = await stage.enter(stage.b, entry("bob", keep=False))
        await stage.wait(0.7)
        assert bob.shows(State.WAITING)
        await stage.wait(0.35)
        assert bob.shows(State.LEADING)

    play(story)


def test_interleaving_10_a_stalled_gateway_reads_before_it_judges_silence() -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.enter(stage.a, entry("ann", ttl=1))
        stage.a.process.freeze()
        await stage.wait(0.5)
        campaign = ann.campaign
        assert campaign is not None
        stage.loop.call_later(1.6, stage.a.process.call, campaign.heartbeat, 1)  # it lay unread
        await stage.wait(1.5)
        stage.a.process.thaw()
        await stage.wait(0.5)
        assert ann.end is None
        assert stage.term is not None

    play(story)


def test_who_stays_silent_after_a_stall_is_ended() -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.enter(stage.a, entry("ann", ttl=1))
        stage.a.process.freeze()
        await stage.wait(2)
        stage.a.process.thaw()
        await stage.wait(0.2)
        assert not ann.ended()  # the read round
        await stage.wait(0.3)
        assert ann.end is not None
        assert ann.end.reason is Reason.EXPIRED

    play(story)


def test_a_stall_beyond_the_backend_ttl_loses_all_and_revives_nothing() -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.enter(stage.a, entry("ann", ttl=60))
        bob = await stage.enter(stage.b, entry("bob", keep=False))
        stage.a.process.freeze()
        await stage.wait(BACKEND_TTL * 1.02 + 0.5)
        assert bob.shows(State.LEADING)
        stage.a.process.thaw()
        await stage.wait(1)
        assert ann.end is not None
        assert ann.end.reason is Reason.BACKEND_LOST
        assert stage.term is not None
        assert stage.term.token == bob.token

    play(story)


def test_jeopardy_then_lost_before_trust_ends_when_the_store_is_out_of_reach() -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.enter(stage.a, entry("ann", ttl=60, keep=True))
        await stage.hold(stage.a, ann, 0.5)
        trusted_until = stage.loop.time() - 0.25 + (ann.views[-1].trust or 0)
        stage.out_of_reach(stage.a)
        while ann.shows(State.LEADING):
            await stage.wait(0.01)
        assert ann.shows(State.JEOPARDY)
        assert trusted_until - stage.loop.time() > BACKEND_TTL / 2 - 0.2
        while ann.end is None:
            await stage.wait(0.01)
        assert ann.end.reason is Reason.BACKEND_LOST
        assert stage.loop.time() < trusted_until + 0.02

    play(story)


def test_jeopardy_ends_in_leading_when_the_store_is_back() -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.enter(stage.a, entry("ann", ttl=60))
        stage.out_of_reach(stage.a)
        await stage.wait(1.7)
        assert ann.shows(State.JEOPARDY)
        stage.out_of_reach(stage.a, away=False)
        await stage.wait(0.6)
        assert ann.shows(State.LEADING)
        assert ann.end is None

    play(story)


def test_while_the_session_is_lost_everybody_is_sent_elsewhere() -> None:
    async def story(stage: Stage) -> None:
        stage.out_of_reach(stage.a)
        await stage.wait(BACKEND_TTL + 1)
        ann = await stage.enter(stage.a, entry("ann"))
        assert ann.end is not None
        assert ann.end.reason is Reason.BACKEND_UNAVAILABLE
        with pytest.raises(Refused) as refused:
            await stage.ask(stage.a, lambda elector: elector.resign(ELECTION, "ann"))
        assert refused.value.reason is Reason.BACKEND_UNAVAILABLE
        stage.out_of_reach(stage.a, away=False)
        await stage.wait(2)
        again = await stage.enter(stage.a, entry("ann", 2))
        assert again.shows(State.LEADING)

    play(story)


def test_a_client_whose_gateway_died_resumes_on_another_with_its_token() -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.enter(stage.a, entry("ann", value=b"v"))
        stage.a.kill()
        again = await stage.enter(stage.b, entry("ann", 2, resume=ann.token))
        assert (again.state, again.token) == (State.LEADING, ann.token)
        await stage.hold(stage.b, again, 2 * BACKEND_TTL)
        assert stage.term is not None
        assert (stage.term.token, stage.term.value) == (ann.token, b"v")

    play(story)


def test_a_client_that_left_a_living_gateway_keeps_its_term_there_is_no_ghost() -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.enter(stage.a, entry("ann", ttl=1))
        again = await stage.enter(stage.b, entry("ann", 2, ttl=1, resume=ann.token))
        await stage.hold(stage.b, again, 3)
        assert ann.end is not None
        assert ann.end.reason is Reason.SUPERSEDED
        assert (again.state, again.token) == (State.LEADING, ann.token)
        assert stage.a.leftovers() == []

    play(story)


def test_interleaving_1_a_move_is_promised_no_more_than_its_own_session_has() -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.enter(stage.a, entry("ann", ttl=60))
        await stage.wait(0.6)
        stage.store.weather["b"] = Weather(mute=True)
        await stage.wait(0.9)  # b has confirmed nothing for a while
        stage.store.weather["b"] = Weather()
        elector = stage.b.elector
        assert elector is not None
        again = await stage.enter(stage.b, entry("ann", 2, ttl=60, resume=ann.token))
        while not again.views:
            await stage.wait(0.01)
        assert again.token == ann.token
        assert (again.views[0].trust or 0) <= elector.good_for() + 1.1 - 0.05
        stored = [event for event in stage.history.events if isinstance(event, Stored)]
        moved = [event for event in stored if event.change == "moved"]
        assert len(moved) == 1
        stage.b.kill()  # the store keeps it for a whole backend ttl after the move, not for less
        stage.a.process.freeze()
        await stage.wait(0)
        await stage.wait(moved[0].at + BACKEND_TTL - stage.loop.time())
        assert stage.term is not None

    play(story)


def test_interleaving_4_a_stalled_release_ends_nothing_of_the_term_that_moved() -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.enter(stage.a, entry("ann", keep=False, ttl=10))
        campaign = ann.campaign
        assert campaign is not None
        stage.store.weather["a"] = Weather(fast=2.0, slow=2.5)
        await stage.on(stage.a, lambda _: campaign.broken())
        again = await stage.enter(stage.b, entry("ann", 2, ttl=10, resume=ann.token))
        assert again.shows(State.LEADING)
        await stage.hold(stage.b, again, 6)
        assert stage.term is not None
        assert stage.term.token == ann.token

    play(story)


def test_interleaving_6_a_resign_on_another_gateway_moves_the_term_and_ends_it() -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.enter(stage.a, entry("ann"))
        ended = await stage.ask(stage.b, lambda elector: elector.resign(ELECTION, "ann"))
        assert ended is not None
        assert ended.token == ann.token
        assert stage.vacant()
        await stage.wait(1.1)
        assert ann.end is not None
        assert ann.end.reason in (Reason.SUPERSEDED, Reason.BACKEND_LOST)
        assert stage.a.leftovers() == stage.b.leftovers() == []

    play(story)


def test_interleaving_6_a_resign_on_the_gateway_that_the_term_has_left_unknown_to_it() -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.enter(stage.a, entry("ann"))
        stage.store.weather["b"] = Weather(after=1.0)  # b's move lands, b never hears of it
        await stage.enter(stage.b, entry("ann", 2, resume=ann.token))
        ended = await stage.ask(stage.a, lambda elector: elector.resign(ELECTION, "ann"))
        assert ended is not None
        assert ended.token == ann.token
        assert stage.vacant()

    play(story)


def test_a_resign_where_its_older_attempt_waits_ends_the_term_that_it_leads_elsewhere() -> None:
    async def story(stage: Stage) -> None:
        await stage.enter(stage.a, entry("eve"))
        await stage.enter(stage.b, entry("ann"))
        stage.store.weather["b"] = Weather(silent=True, verbs=("watch",))
        again = await stage.enter(stage.a, entry("ann", 2))
        await stage.ask(stage.a, lambda elector: elector.resign(ELECTION, "eve"))
        await stage.wait(0.1)
        assert again.shows(State.LEADING)
        ended = await stage.ask(stage.b, lambda elector: elector.resign(ELECTION, "ann"))
        assert ended is not None
        assert ended.token == again.token
        assert stage.vacant()

    play(story)


def test_a_resign_where_the_term_was_being_ended_as_it_left_says_so_truly() -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.enter(stage.a, entry("ann"))
        await stage.enter(stage.a, entry("bob"))  # whose wait keeps what a knows of the election
        campaign = ann.campaign
        assert campaign is not None
        stage.store.weather["a"] = Weather(fast=0.3, slow=0.3)
        await stage.on(stage.a, lambda _: campaign.resign())
        again = await stage.enter(stage.b, entry("ann", 2, resume=ann.token))
        assert again.shows(State.LEADING)
        with pytest.raises(Refused) as refused:
            await stage.ask(stage.a, lambda elector: elector.resign(ELECTION, "ann"))
        assert refused.value.reason is Reason.HELD_BY_OTHER_GATEWAY
        assert "cannot move" not in refused.value.message  # it just has
        assert "this one cannot take it: go there" in refused.value.message

    play(story)


def test_a_token_that_was_ended_here_stays_dead_when_the_ballot_is_forgotten() -> None:
    """Its release may have been stalled, and land when the term has come back (interleaving 4)."""

    async def story(stage: Stage) -> None:
        ann = await stage.enter(stage.a, entry("ann", ttl=30))
        campaign = ann.campaign
        assert campaign is not None
        stage.store.weather["a"] = Weather(fast=0.3, slow=0.3)
        await stage.on(stage.a, lambda _: campaign.resign())
        again = await stage.enter(stage.b, entry("ann", 2, resume=ann.token, ttl=30))
        assert again.shows(State.LEADING)
        await stage.wait(3)
        assert stage.a.leftovers() == []
        back = await stage.enter(stage.a, entry("ann", 3, resume=ann.token, ttl=30))
        await stage.wait(2)
        assert not back.shows(State.LEADING)
        assert again.shows(State.LEADING)

    play(story)


def test_a_token_that_was_ended_on_a_dead_session_comes_back_to_the_next() -> None:
    """A release reaches its own session only; the gateway would refuse what it can well serve."""

    async def story(stage: Stage) -> None:
        ann = await stage.enter(stage.a, entry("ann", ttl=30))
        stage.out_of_reach(stage.a)
        await stage.wait(BACKEND_TTL / 2)
        again = await stage.enter(stage.b, entry("ann", 2, resume=ann.token, ttl=30))
        assert again.shows(State.LEADING)
        await stage.wait(BACKEND_TTL)
        assert ann.ended()
        stage.out_of_reach(stage.a, away=False)
        await stage.wait(BACKEND_TTL)
        back = await stage.enter(stage.a, entry("ann", 3, resume=ann.token, ttl=30))
        assert back.shows(State.LEADING)
        await stage.wait(2 * BACKEND_TTL)
        assert back.shows(State.LEADING)
        assert stage.term is not None
        assert stage.term.token == ann.token

    play(story)


def test_interleaving_9_an_acquire_that_lands_after_its_candidate_left_is_ended() -> None:
    async def story(stage: Stage) -> None:
        stage.store.weather["a"] = Weather(fast=0.4, slow=0.4)
        ann = await stage.enter(stage.a, entry("ann", keep=False))
        campaign = ann.campaign
        assert campaign is not None
        await stage.on(stage.a, lambda _: campaign.broken())
        await stage.wait(0.35)
        assert stage.term is not None  # it has landed
        await stage.wait(3)
        assert stage.vacant()
        assert stage.a.leftovers() == []

    play(story)


def test_no_wait_answers_at_once_and_unavailable_when_the_store_is_silent() -> None:
    async def story(stage: Stage) -> None:
        await stage.enter(stage.a, entry("ann", ttl=60))
        bob = await stage.enter(stage.b, entry("bob", no_wait=True))
        assert bob.end is not None
        assert bob.end.reason is Reason.HELD_BY_ANOTHER
        stage.out_of_reach(stage.b)
        cyd = await stage.enter(stage.b, entry("cyd", no_wait=True))
        await stage.wait(1.1)
        assert cyd.end is not None
        assert cyd.end.reason is Reason.BACKEND_UNAVAILABLE

    play(story)


def test_drain_keeps_what_can_move_and_another_gateway_takes_it() -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.enter(stage.a, entry("ann"))
        stage.a.stop(5.0)
        await stage.wait(0.1)
        assert ann.end is not None
        assert ann.end.reason is Reason.GATEWAY_DRAINING
        assert ann.end.view is not None
        assert ann.end.view.state is State.LEADING
        again = await stage.enter(stage.b, entry("ann", 2, resume=ann.token))
        assert (again.state, again.token) == (State.LEADING, ann.token)
        await stage.wait(0.3)
        assert not stage.a.up  # nobody trusts it any more
        assert stage.term is not None

    play(story)


def test_a_store_that_cannot_move_hands_over_and_says_where_a_term_is() -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.enter(stage.a, entry("ann"))
        again = await stage.enter(stage.b, entry("ann", 2, resume=ann.token))
        assert again.end is not None
        assert again.end.reason is Reason.HELD_BY_OTHER_GATEWAY
        with pytest.raises(Refused) as refused:
            await stage.ask(stage.b, lambda elector: elector.resign(ELECTION, "ann"))
        assert refused.value.reason is Reason.HELD_BY_OTHER_GATEWAY
        assert ann.end is None

    play(story, moves_terms=False)


def test_a_wrong_credential_resigns_nothing() -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.enter(stage.a, entry("ann"))
        for gateway in (stage.a, stage.b):
            with pytest.raises(Refused) as refused:
                await stage.ask(gateway, lambda elector: elector.resign(ELECTION, "eve"))
            assert refused.value.reason is Reason.NOT_LEADER
        assert ann.end is None
        assert stage.term is not None

    play(story)


def test_who_only_waits_is_known_to_its_own_gateway_and_who_leads_to_all() -> None:
    async def story(stage: Stage) -> None:
        await stage.enter(stage.a, entry("ann"))
        await stage.enter(stage.b, entry("bob"))
        with pytest.raises(Refused) as refused:
            await stage.ask(stage.a, lambda elector: elector.resign(ELECTION, "bob"))
        assert refused.value.reason is Reason.NOT_LEADER
        assert await stage.ask(stage.b, lambda elector: elector.resign(ELECTION, "bob")) is None
        cyd = await stage.enter(stage.b, entry("cyd"))
        await stage.ask(stage.a, lambda elector: elector.resign(ELECTION, "ann"))
        await stage.wait(0.2)
        assert cyd.shows(State.LEADING)
        ended = await stage.ask(stage.a, lambda elector: elector.resign(ELECTION, "cyd"))
        assert ended is not None
        assert ended.token == cyd.token

    play(story)


def test_a_record_deleted_by_hand_is_told_within_a_second_and_the_next_token_is_higher() -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.enter(stage.a, entry("ann"))
        bob = await stage.enter(stage.b, entry("bob", keep=False))
        stage.store.truth.delete(ELECTION)
        await stage.wait(1)
        assert ann.end is not None
        assert ann.end.reason is Reason.BACKEND_LOST
        assert bob.shows(State.LEADING)
        assert bob.token > ann.token

    play(story)


def test_observers_see_every_change_the_vacancy_included() -> None:
    async def story(stage: Stage) -> None:
        await stage.enter(stage.a, entry("ann"))
        await stage.ask(stage.a, lambda elector: elector.resign(ELECTION, "ann"))
        await stage.wait(0.2)
        await stage.enter(stage.b, entry("bob"))
        told = [event for event in stage.history.events if isinstance(event, Observed)]
        for gateway in ("a", "b"):
            seen = [event.token for event in told if event.who == gateway and event.election]
            assert seen == [1, None, 2]

    play(story)


def test_a_session_that_died_is_replaced_as_soon_as_it_is_missed() -> None:
    """Not when the next renewal is due: nobody else may be there to lead."""

    async def story(stage: Stage) -> None:
        stage.b.stop(0.0)
        ann = await stage.enter(stage.a, entry("ann", ttl=30))
        bob = await stage.enter(stage.a, entry("bob", ttl=30))
        await stage.wait(BACKEND_TTL / 3 + 0.15 - stage.loop.time())  # it has just been renewed
        assert stage.term is not None
        stage.store.truth.end_session(stage.term.session)
        await stage.wait(0.6)
        assert ann.ended()
        assert bob.shows(State.LEADING)

    play(story)


def test_a_watch_that_lists_anew_is_believed_of_a_term_that_none_had_told_of() -> None:
    async def story(stage: Stage) -> None:
        stage.store.weather["a"] = Weather(silent=True, verbs=("watch", "renew"))
        ann = await stage.enter(stage.a, entry("ann"))
        await stage.wait(1)  # nobody tells of it, and the store was asked
        stage.store.truth.delete(ELECTION)
        stage.store.weather["a"] = Weather(silent=True, verbs=("renew",))
        await stage.wait(1.5)  # its next watch has listed; trust runs on
        assert ann.end is not None
        assert ann.end.reason is Reason.BACKEND_LOST

    play(story)


def test_lists_and_new_observers_know_what_clients_here_were_told() -> None:
    """Though the watch, which is slow here, has not told it yet."""

    async def story(stage: Stage) -> None:
        async def seen(elector: Elector) -> list[int | None]:
            listed, _ = elector.elections("").get(ELECTION, (None, 0))
            one, all_ = await elector.observe(election=ELECTION), await elector.observe()
            told = [dict(observer.take()).get(ELECTION) for observer in (one, all_)]
            for observer in (one, all_):
                elector.unobserve(observer)
            return [term.token if term is not None else None for term in (listed, *told)]

        ann = await stage.enter(stage.a, entry("ann"))
        assert await stage.ask(stage.a, seen) == [ann.token] * 3
        await stage.ask(stage.a, lambda elector: elector.resign(ELECTION, "ann"))
        assert await stage.ask(stage.a, seen) == [None] * 3
        stage.out_of_reach(stage.a)
        assert await stage.ask(stage.a, seen) == [None] * 3

    play(story, push=False)


def test_reading_and_listing() -> None:
    async def story(stage: Stage) -> None:
        ann = await stage.enter(stage.a, entry("ann"))
        await stage.enter(stage.a, entry("bob"))

        def listing(elector: Elector) -> None:
            leader, waiting = elector.elections("")[ELECTION]
            assert leader is not None
            assert (leader.token, waiting) == (ann.token, 1)
            assert elector.elections("other/") == {}

        await stage.on(stage.a, listing)
        snapshot = await stage.ask(stage.b, lambda elector: elector.read(ELECTION))
        assert snapshot.term == stage.term
        stage.out_of_reach(stage.b)
        with pytest.raises(Refused) as refused:
            await stage.ask(stage.b, lambda elector: elector.read(ELECTION))
        assert refused.value.reason is Reason.BACKEND_UNAVAILABLE

    play(story)
