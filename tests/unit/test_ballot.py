"""Ballot: the queue, bidding, silence, streams without heartbeats, resigning, drain, jeopardy."""

import pytest

from incumbent_backends.api import Term
from incumbent_server.candidacy import Acquire, End, Gone, Read, Release, State, Tell, Won
from incumbent_server.reasons import Reason
from incumbent_server.session import Session
from tests.unit.booth import BACKEND_TTL, HERE, PAUSE, THERE, Booth, entry, term


def freed(booth: Booth, farewell: str) -> str | None:
    """The store confirms the release, and that nothing moved; returns who is bid for next."""
    assert isinstance(booth.op(), Release)
    booth.ballot.released(booth.now)
    assert booth.end(farewell) is None  # a release proves nothing of other sessions
    op = booth.op()
    if isinstance(op, Acquire):
        return op.holder  # its answer is as good as a read
    assert isinstance(op, Read)
    booth.read(None)
    assert booth.reason(farewell) is None
    return None


# -- queue and bids


def test_the_first_who_enters_is_bid_for_and_leads() -> None:
    booth = Booth()
    stream = booth.enter(entry("ann", value=b"v"))
    assert booth.acquire() == Acquire("ann", 1, "candidate of ann", b"v", None)
    booth.answer(term(7, "ann", value=b"v"))
    view = booth.view(stream)
    assert view is not None
    assert (view.state, view.term, view.sequence) == (State.LEADING, term(7, "ann", value=b"v"), 0)
    assert view.trust == pytest.approx(2.94)


def test_one_operation_at_a_time() -> None:
    booth = Booth()
    booth.enter(entry("ann"))
    booth.acquire()
    booth.enter(entry("bob"))
    assert booth.op() is None


def test_first_come_first_served_and_positions_move_up() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann"))
    waiting = [booth.enter(entry(name)) for name in ("bob", "cyd", "dee")]

    def positions() -> list[int]:
        views = [booth.view(stream) for stream in waiting]
        return [view.position for view in views if view is not None]

    assert positions() == [1, 2, 3]
    assert booth.op() is None
    booth.resign(ann)
    assert freed(booth, ann) == "bob"
    booth.leave(waiting[1])
    booth.answer(term(8, "bob"))
    assert booth.view(waiting[2]) == (State.WAITING, term(8, "bob"), 2, 0, None, None)


def test_a_waiting_candidate_is_told_who_leads_elsewhere_and_costs_the_store_nothing() -> None:
    booth = Booth()
    stream = booth.enter(entry("ann"))
    booth.acquire()
    booth.answer(term(3, "eve", session=THERE))
    view = booth.view(stream)
    assert view is not None
    assert (view.state, view.term) == (State.WAITING, term(3, "eve", session=THERE))
    assert booth.op() is None
    booth.news(term(3, "eve", session=THERE))
    booth.wait(2)
    assert booth.op() is None
    booth.news(None)
    assert booth.acquire().holder == "ann"


def test_a_leader_that_the_watch_never_tells_of_is_read_again() -> None:
    booth = Booth()
    booth.enter(entry("ann"))
    booth.acquire()
    booth.answer(term(3, "eve", session=THERE))
    assert booth.later() == [pytest.approx(1.0)]
    booth.wait(1.01)
    assert isinstance(booth.op(), Read)
    booth.read(None)
    assert booth.acquire().holder == "ann"


def test_a_silent_head_is_passed_over_keeps_its_place_and_is_served_when_it_speaks() -> None:
    booth = Booth()
    eve = booth.lead(entry("eve"))
    ann, bob = booth.enter(entry("ann")), booth.enter(entry("bob"))
    booth.wait(2.1)  # more than two of ann's heartbeat intervals
    booth.beat(eve, 1)
    booth.beat(bob, 1)
    booth.resign(eve)
    assert freed(booth, eve) == "bob"
    booth.answer(term(8, "bob"))
    booth.beat(ann, 1)
    view = booth.view(ann)
    assert view is not None
    assert view.position == 1
    booth.resign(bob)
    assert freed(booth, bob) == "ann"


def test_a_candidate_without_a_stream_is_passed_over() -> None:
    booth = Booth()
    ann = booth.enter(entry("ann"))
    booth.leave(ann)
    assert booth.op() is None
    booth.enter(entry("bob"))
    assert booth.acquire().holder == "bob"


def test_no_bid_while_the_session_is_not_sound() -> None:
    booth = Booth()
    booth.enter(entry("ann"))
    booth.now += BACKEND_TTL / 2
    assert booth.op() is None
    booth.renew()
    booth.enter(entry("bob"))
    assert booth.acquire().holder == "bob"  # ann was silent for longer than two intervals


def test_too_many_candidates() -> None:
    booth = Booth(capacity=2)
    booth.lead(entry("eve"))
    booth.enter(entry("ann"))
    booth.enter(entry("bob"))
    assert booth.reason(booth.enter(entry("cyd"))) is Reason.TOO_MANY_CANDIDATES
    assert booth.end(booth.enter(entry("ann", 2))) is None  # who waits already is let in


def test_courtesy_after_ending_a_term_if_a_rival_was_seen() -> None:
    booth = Booth()
    booth.news(term(1, "eve", session=THERE))
    booth.news(None)
    ann = booth.lead(entry("ann"))
    booth.enter(entry("bob"))
    booth.resign(ann)
    booth.op()
    booth.ballot.released(booth.now)
    assert booth.later()[-1] == pytest.approx(PAUSE)
    assert isinstance(booth.op(), Read)
    booth.read(None)
    assert booth.op() is None
    booth.wait(PAUSE)
    assert booth.acquire().holder == "bob"


def test_no_courtesy_without_a_rival() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann"))
    booth.enter(entry("bob"))
    booth.resign(ann)
    assert freed(booth, ann) == "bob"


# -- no_wait


def test_no_wait_leads_at_once() -> None:
    booth = Booth()
    stream = booth.enter(entry("ann", no_wait=True))
    assert booth.view(stream) is None  # nothing to tell before the store has decided
    booth.acquire()
    booth.answer(term(7, "ann"))
    view = booth.view(stream)
    assert view is not None
    assert view.state is State.LEADING


def test_no_wait_is_refused_where_one_leads_elsewhere() -> None:
    booth = Booth()
    booth.news(term(3, "eve", session=THERE))
    stream = booth.enter(entry("ann", no_wait=True))
    booth.acquire()  # the store decides, not what was heard
    booth.answer(term(3, "eve", session=THERE))
    assert booth.reason(stream) is Reason.HELD_BY_ANOTHER
    assert booth.ballot.idle


@pytest.mark.parametrize("how", ["leads", "queues", "arrives"])
def test_no_wait_is_refused_where_others_are_before_it(how: str) -> None:
    booth = Booth()
    if how == "leads":
        booth.lead(entry("eve"))
    else:
        booth.enter(entry("eve", resume=5 if how == "arrives" else None))
    assert booth.reason(booth.enter(entry("ann", no_wait=True))) is Reason.HELD_BY_ANOTHER


def test_no_wait_with_an_unknown_outcome_is_unavailable_and_its_term_is_ended() -> None:
    booth = Booth()
    stream = booth.enter(entry("ann", no_wait=True))
    booth.acquire()
    booth.ballot.failed()
    assert booth.reason(stream) is Reason.BACKEND_UNAVAILABLE
    assert isinstance(booth.op(), Read)
    booth.read(term(7, "ann"))
    assert booth.op() == Release(term(7, "ann"))


@pytest.mark.parametrize("how", ["led", "queued behind"])
def test_who_waits_and_will_wait_no_longer_is_refused_where_another_is_before_it(how: str) -> None:
    booth = Booth()
    if how == "led":
        booth.lead(entry("eve"))
    else:
        booth.news(term(3, "eve", session=THERE))
        booth.enter(entry("bob"))
    older = booth.enter(entry("ann"))
    stream = booth.enter(entry("ann", 2, no_wait=True))
    assert booth.reason(older) is Reason.SUPERSEDED
    assert booth.reason(stream) is Reason.HELD_BY_ANOTHER
    assert booth.ballot.find("ann") is None


def test_who_waits_next_and_will_wait_no_longer_is_bid_for() -> None:
    booth = Booth()
    booth.news(term(3, "eve", session=THERE))
    booth.enter(entry("ann"))
    assert booth.op() is None
    stream = booth.enter(entry("ann", 2, no_wait=True))
    assert booth.acquire().attempt == 2
    booth.answer(term(3, "eve", session=THERE))
    assert booth.reason(stream) is Reason.HELD_BY_ANOTHER


@pytest.mark.parametrize("how", ["its stream breaks", "the session is lost"])
def test_no_place_is_kept_for_who_would_not_wait(how: str) -> None:
    """It would stand before all others of a vacant election for its ttl."""
    booth = Booth()
    stream = booth.enter(entry("ann", ttl=3600, no_wait=True))
    if how == "its stream breaks":
        booth.leave(stream)
    else:
        booth.lose_session()
        assert booth.reason(stream) is Reason.BACKEND_UNAVAILABLE
        booth.renew()
    booth.enter(entry("bob", no_wait=True))
    assert booth.acquire().holder == "bob"


# -- silence, KEEP and RELEASE


def test_silence_past_the_ttl_ends_the_term() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann", ttl=3))
    booth.wait(2.0)
    booth.beat(ann, 1)
    booth.wait(2.9)
    assert booth.leads(7)
    booth.wait(0.2)
    assert booth.leads(None)
    assert booth.reason(ann) is Reason.EXPIRED
    assert booth.op() == Release(term(7, "ann"))


def test_silence_past_the_ttl_ends_a_wait() -> None:
    booth = Booth()
    booth.lead(entry("eve", ttl=60))
    ann = booth.enter(entry("ann", ttl=3))
    booth.wait(3.1)
    assert booth.reason(ann) is Reason.EXPIRED
    assert len(booth.ballot.queue) == 0


def test_trust_counts_from_the_last_heartbeat_and_never_beyond_the_session() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann", ttl=60))
    booth.now += 4
    booth.beat(ann, 1)
    view = booth.view(ann)
    assert view is not None
    assert view.sequence == 1
    assert view.trust == pytest.approx(15 - 0.3 - 4)


def test_keep_bears_a_broken_stream_for_the_ttl() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann", keep=True))
    booth.leave(ann)
    assert booth.leads(7)
    assert booth.op() is None
    booth.wait(3.1)
    assert booth.leads(None)
    assert booth.op() == Release(term(7, "ann"))


def test_release_ends_the_term_with_its_stream() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann", keep=False))
    booth.leave(ann)
    assert booth.token is None
    assert booth.op() == Release(term(7, "ann"))
    assert Gone(term(7, "ann"), None) in booth.ballot.take()


def test_release_withdraws_a_waiting_candidate_with_its_stream() -> None:
    booth = Booth()
    booth.lead(entry("eve"))
    booth.leave(booth.enter(entry("ann", keep=False)))
    assert len(booth.ballot.queue) == 0


def test_without_heartbeats_a_release_stream_leads_for_ever_and_is_promised_nothing() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann", keep=False, ttl=1))
    booth.now += 3600
    booth.renew()
    booth.ballot.tick(booth.now)
    view = booth.view(ann)
    assert view is not None
    assert (view.state, view.trust) == (State.LEADING, None)


def test_from_the_first_heartbeat_on_silence_counts_for_release_too() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann", keep=False, ttl=3))
    booth.now += 10
    booth.renew()
    booth.beat(ann, 1)
    view = booth.view(ann)
    assert view is not None
    assert view.trust == pytest.approx(2.94)
    booth.wait(3.1)
    assert booth.reason(ann) is Reason.EXPIRED


def test_a_release_stream_without_heartbeats_waits_for_ever_and_is_served() -> None:
    booth = Booth()
    eve = booth.lead(entry("eve", keep=False))
    booth.enter(entry("ann", keep=False, ttl=1))
    booth.wait(100)
    booth.renew()
    booth.resign(eve)
    assert freed(booth, eve) == "ann"


# -- proclaim


def test_proclaim_asks_the_store_and_stays_wanted_until_confirmed() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann"))
    assert booth.ballot.proclaim(booth.seats[ann], b"new", booth.now)
    assert booth.acquire() == Acquire("ann", 1, "candidate of ann", b"new", 7)
    booth.ballot.failed()
    assert booth.acquire().value == b"new"
    booth.answer(term(7, "ann", value=b"new"))
    assert booth.op() is None
    view = booth.view(ann)
    assert view is not None
    assert view.term == term(7, "ann", value=b"new")


def test_a_value_proclaimed_while_an_older_one_is_under_way_is_not_forgotten() -> None:
    booth = Booth()
    ann = booth.seats[booth.lead(entry("ann"))]
    booth.ballot.proclaim(ann, b"one", booth.now)
    booth.acquire()
    booth.ballot.proclaim(ann, b"two", booth.now)
    booth.answer(term(7, "ann", value=b"one"))
    assert booth.acquire().value == b"two"


def test_who_waits_cannot_proclaim() -> None:
    booth = Booth()
    booth.lead(entry("eve"))
    ann = booth.seats[booth.enter(entry("ann"))]
    assert not booth.ballot.proclaim(ann, b"mine", booth.now)


def test_a_refused_value_ends_the_stream_and_a_kept_term_survives() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann"))
    booth.ballot.proclaim(booth.seats[ann], b"bad", booth.now)
    booth.acquire()
    booth.ballot.rejected()
    assert booth.reason(ann) is Reason.BACKEND_REJECTED
    assert booth.token == 7
    assert booth.op() is None


def test_a_refused_candidacy_ends() -> None:
    booth = Booth()
    ann = booth.enter(entry("ann"))
    booth.acquire()
    booth.ballot.rejected()
    assert booth.reason(ann) is Reason.BACKEND_REJECTED
    assert booth.ballot.idle


# -- resign


def test_a_resign_stops_leading_at_once_and_is_acknowledged_when_the_store_is_sure() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann"))
    booth.resign(ann)
    assert booth.token is None
    assert booth.claims() == []
    freed(booth, ann)
    end = booth.end(ann)
    assert end is not None
    assert end.term == term(7, "ann")


def test_a_release_is_repeated_until_its_outcome_is_known_and_nobody_is_bid_for_before() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann"))
    booth.enter(entry("bob"))
    booth.resign(ann)
    for _ in range(3):
        assert booth.op() == Release(term(7, "ann"))
        booth.ballot.failed()
    assert booth.end(ann) is None
    assert freed(booth, ann) == "bob"
    booth.answer(term(8, "bob"))
    assert booth.reason(ann) is None


def test_a_waiting_candidate_withdraws() -> None:
    booth = Booth()
    booth.lead(entry("eve"))
    ann = booth.enter(entry("ann"))
    booth.resign(ann)
    assert booth.reason(ann) is None
    assert len(booth.ballot.queue) == 0


def test_a_resign_through_another_stream_ends_the_leaders_stream_too() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann"))
    booth.resign(ann, "caller")
    assert booth.reason(ann) is Reason.RESIGNED
    freed(booth, "caller")


def test_a_resign_while_the_bid_is_in_flight_that_wins() -> None:
    booth = Booth()
    ann = booth.enter(entry("ann"))
    booth.acquire()
    booth.resign(ann)
    assert booth.end(ann) is None
    booth.answer(term(7, "ann"))
    assert booth.token is None
    freed(booth, ann)
    assert booth.ballot.idle


def test_a_resign_while_the_bid_is_in_flight_that_loses() -> None:
    booth = Booth()
    ann = booth.enter(entry("ann"))
    booth.acquire()
    booth.resign(ann)
    booth.answer(term(3, "eve", session=THERE))
    assert booth.reason(ann) is None
    assert booth.ballot.idle


@pytest.mark.parametrize("landed", [True, False])
def test_a_resign_while_the_bids_outcome_is_unknown(landed: bool) -> None:
    booth = Booth()
    ann = booth.enter(entry("ann"))
    booth.acquire()
    booth.resign(ann)
    booth.ballot.failed()
    booth.enter(entry("bob"))
    assert isinstance(booth.op(), Read)
    booth.read(term(7, "ann") if landed else None)
    if landed:
        assert booth.acquire().holder == "ann"  # a win, only to be released
        booth.answer(term(7, "ann"))
        assert freed(booth, ann) == "bob"
        assert booth.end(ann) is None
    else:
        assert booth.acquire().holder == "bob"
        assert booth.reason(ann) is None
    booth.answer(term(8, "bob"))
    assert booth.reason(ann) is None


def test_a_resign_while_an_older_attempts_bid_is_in_flight() -> None:
    booth = Booth()
    booth.enter(entry("ann"))
    booth.acquire()
    again = booth.enter(entry("ann", 2))
    booth.resign(again)
    booth.answer(term(3, "eve", session=THERE))
    assert booth.reason(again) is None
    assert booth.ballot.idle


def test_an_enter_after_a_resign_is_superseded_by_it() -> None:
    booth = Booth()
    ann = booth.enter(entry("ann"))
    booth.acquire()
    booth.resign(ann)
    assert booth.reason(booth.enter(entry("ann", 2))) is Reason.SUPERSEDED


def test_a_leaver_is_told_unavailable_when_the_session_is_lost_first() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann"))
    booth.resign(ann)
    booth.op()
    booth.ballot.failed()
    booth.ballot.session_lost(booth.now)
    assert booth.reason(ann) is Reason.BACKEND_UNAVAILABLE
    assert isinstance(booth.op(), Release)


# -- jeopardy and loss


def test_jeopardy_after_half_a_backend_ttl_and_back() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann", ttl=60))
    booth.ballot.take()
    booth.now += BACKEND_TTL / 2
    booth.ballot.jeopardy()
    assert booth.ballot.take() == [Tell(ann)]
    view = booth.view(ann)
    assert view is not None
    assert view.state is State.JEOPARDY
    assert view.trust == pytest.approx(15 - 0.3)
    booth.renew()
    view = booth.view(ann)
    assert view is not None
    assert view.state is State.LEADING


def test_a_lost_session_ends_the_term_here_and_sends_the_others_elsewhere() -> None:
    booth = Booth()
    ann, bob = booth.lead(entry("ann")), booth.enter(entry("bob"))
    cyd = booth.enter(entry("cyd", keep=False))
    booth.ballot.session_lost(booth.now)
    assert booth.reason(ann) is Reason.BACKEND_LOST
    end = booth.end(ann)
    assert end is not None
    assert end.view is not None
    assert end.view.state is State.LOST
    assert booth.reason(bob) is booth.reason(cyd) is Reason.BACKEND_UNAVAILABLE
    assert [each.holder for each in booth.ballot.queue] == ["bob"]  # KEEP keeps its place


@pytest.mark.parametrize(
    ("present", "reason"),
    [(None, Reason.BACKEND_LOST), (term(7, "ann", 2, session=THERE), Reason.SUPERSEDED)],
    ids=["ended", "moved"],
)
def test_a_term_that_did_not_survive_the_renewal_is_lost(
    present: Term | None, reason: Reason
) -> None:
    booth = Booth()
    ann = booth.lead(entry("ann"))
    booth.ballot.renewed(frozenset({7}), frozenset({7}), HERE)
    assert booth.view(ann) is not None
    booth.ballot.renewed(frozenset({7}), frozenset(), HERE)
    assert booth.view(ann) is None, "nothing is promised until the store says which it is"
    assert booth.op() == Read()
    booth.read(present)
    assert booth.reason(ann) is reason


def test_a_term_won_while_the_renewal_was_under_way_is_not_judged_by_it() -> None:
    booth = Booth()
    booth.lead(entry("ann"))
    booth.ballot.renewed(frozenset(), frozenset(), HERE)
    assert booth.token == 7


def test_a_new_session_means_that_the_old_ones_terms_are_gone() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann"))
    booth.session = Session("another", booth.now + BACKEND_TTL, BACKEND_TTL)
    booth.ballot.renewed(frozenset(), frozenset(), "another")
    assert booth.reason(ann) is Reason.BACKEND_LOST


@pytest.mark.parametrize(
    "present", [None, term(7, "ann", 2, session=THERE)], ids=["ended", "moved on"]
)
def test_nobody_waits_for_the_promise_of_a_term_that_does_not_live_here(
    present: Term | None,
) -> None:
    """Seeds 92370 and 5714: it was kept for a client that may trust it, and nobody was bid for."""
    booth = Booth()
    booth.lead(entry("ann", ttl=60))
    bob = booth.enter(entry("bob", ttl=60))
    booth.lose_session()
    assert booth.op() is None
    booth.news(present)
    assert booth.op() == Read()  # news only propose
    booth.read(present)
    assert isinstance(booth.op(), Release)
    booth.ballot.released(booth.now)
    assert booth.reason(bob) is Reason.BACKEND_UNAVAILABLE
    booth.enter(entry("bob", 2, ttl=60))
    booth.news(None)
    booth.wait(PAUSE)
    assert booth.acquire().holder == "bob"


def test_a_term_that_lives_here_is_kept_whatever_old_news_say() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann", ttl=60))
    present = booth.ballot.known
    booth.lose_session()
    booth.news(None)
    assert booth.op() == Read()
    booth.read(present)
    assert booth.op() is None
    assert booth.reason(ann) is Reason.BACKEND_LOST


# -- drain


def test_drain_leaves_a_term_that_can_move_to_its_client() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann"))
    booth.ballot.drain(booth.session, booth.now)
    end = booth.end(ann)
    assert end is not None
    assert (end.reason, end.view and end.view.state) == (Reason.GATEWAY_DRAINING, State.LEADING)
    assert end.view is not None
    assert end.view.trust == pytest.approx(2.94)
    assert end.view.reason is Reason.GATEWAY_DRAINING
    assert booth.op() is None  # nothing is released
    assert booth.claims() == [7]  # and it is renewed on
    booth.news(term(7, "ann", 2, session=THERE))
    assert booth.ballot.idle
    assert booth.op() is None


def test_drain_frees_a_term_that_nobody_takes_when_its_trust_has_run_out() -> None:
    booth = Booth()
    booth.lead(entry("ann", ttl=3))
    booth.ballot.drain(booth.session, booth.now)
    booth.wait(2.96)
    assert booth.op() is None
    booth.wait(0.1)
    assert isinstance(booth.op(), Release)


def test_drain_hands_over_a_term_without_heartbeats_at_once() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann", keep=False))
    booth.ballot.drain(booth.session, booth.now)
    end = booth.end(ann)
    assert end is not None
    assert end.view is not None
    assert (end.reason, end.view.state) == (Reason.GATEWAY_DRAINING, State.LOST)
    assert booth.op() == Release(term(7, "ann"))


@pytest.mark.parametrize("ends", ["resigns", "silent"])
def test_drain_of_a_store_that_cannot_move_frees_what_is_no_longer_trusted(ends: str) -> None:
    booth = Booth(moves_terms=False)
    ann = booth.lead(entry("ann", ttl=3))
    booth.ballot.drain(booth.session, booth.now)
    view = booth.view(ann)
    assert view is not None
    assert (view.state, view.reason) == (State.LOST, Reason.GATEWAY_DRAINING)
    assert booth.op() is None  # its client may still work
    booth.beat(ann, 1)  # what comes now does not prolong it
    if ends == "resigns":
        booth.resign(ann)
    else:
        booth.wait(3.1)
    assert booth.op() == Release(term(7, "ann"))


def test_where_terms_cannot_move_nothing_is_promised_while_news_are_in_doubt() -> None:
    """Such a store's driver knows that its session broke, though the store cannot be asked."""
    booth = Booth(moves_terms=False)
    ann = booth.lead(entry("ann"))
    booth.news(None)
    assert booth.op() == Read()
    booth.ballot.failed()
    booth.beat(ann, 1)
    assert booth.view(ann) is None
    booth.op()
    booth.read(term(7, "ann"))
    view = booth.view(ann)
    assert view is not None
    assert (view.state, view.sequence) == (State.LEADING, 1)


def test_a_stream_that_breaks_in_a_drain_does_not_say_that_its_client_has_stopped() -> None:
    booth = Booth(moves_terms=False)
    ann = booth.lead(entry("ann", ttl=3))
    booth.ballot.drain(booth.session, booth.now)
    booth.leave(ann)  # a reset, perhaps: what it was told may be lost
    assert booth.op() is None
    booth.wait(3.1)
    assert booth.op() == Release(term(7, "ann"))


def test_drain_turns_everybody_away() -> None:
    booth = Booth()
    booth.lead(entry("eve"))
    ann = booth.enter(entry("ann"))
    booth.ballot.drain(booth.session, booth.now)
    assert booth.reason(ann) is Reason.GATEWAY_DRAINING
    assert booth.reason(booth.enter(entry("bob"))) is Reason.GATEWAY_DRAINING
    assert len(booth.ballot.queue) == 0


def test_a_bid_that_lands_while_draining_is_not_kept_for_long() -> None:
    booth = Booth()
    booth.enter(entry("ann", keep=False))
    booth.acquire()
    booth.ballot.drain(booth.session, booth.now)
    booth.answer(term(7, "ann"))
    assert booth.op() == Release(term(7, "ann"))


def test_winning_is_told_once() -> None:
    booth = Booth()
    booth.lead(entry("ann"))
    won = [effect for effect in booth.ballot.take() if isinstance(effect, Won | End)]
    assert won == [Won(term(7, "ann"), resumed=False)]
