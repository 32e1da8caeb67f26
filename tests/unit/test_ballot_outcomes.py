"""Ballot: unknown outcomes, orphans, buried tokens, news against answers, the interleavings."""

import pytest

from incumbent_backends.api import Term
from incumbent_server.candidacy import Read, Release, State
from incumbent_server.reasons import Reason
from incumbent_server.session import Session, margin
from tests.unit.booth import BACKEND_TTL, HERE, THERE, Booth, entry, term

MINE, RIVAL = term(7, "ann"), term(8, "eve", session=THERE)


def unsure(booth: Booth) -> str:
    """Ann's bid was sent; what became of it is unknown."""
    stream = booth.enter(entry("ann"))
    booth.acquire()
    booth.ballot.failed()
    return stream


# -- unknown outcomes


def test_while_an_acquire_is_under_way_or_unknown_a_renewal_ends_nothing_here() -> None:
    booth = Booth()
    booth.enter(entry("ann"))
    assert booth.claims() == []
    booth.acquire()
    assert booth.claims() == [None]
    booth.ballot.failed()
    assert booth.claims() == [None]
    booth.acquire()
    booth.answer(MINE)
    assert booth.claims() == [7]


def test_an_acquire_that_landed_is_healed_by_the_next_one() -> None:
    booth = Booth()
    stream = unsure(booth)
    assert booth.acquire().holder == "ann"
    booth.answer(MINE)
    view = booth.view(stream)
    assert view is not None
    assert view.state is State.LEADING


def test_an_acquire_that_did_not_land_leaves_nothing() -> None:
    booth = Booth()
    stream = unsure(booth)
    booth.acquire()
    booth.answer(RIVAL)
    view = booth.view(stream)
    assert view is not None
    assert view.term == RIVAL
    assert booth.claims() == []


@pytest.mark.parametrize("landed", [True, False])
def test_an_acquire_whose_candidate_left_is_looked_for_and_ended(landed: bool) -> None:
    booth = Booth()
    booth.leave(booth.enter(entry("ann", keep=False)))
    assert booth.op() is None
    stream = booth.enter(entry("ann", 2, keep=False))
    booth.acquire()
    booth.leave(stream)
    booth.ballot.failed()
    assert not booth.ballot.idle
    assert isinstance(booth.op(), Read)
    booth.read(MINE if landed else None)
    assert booth.op() == (Release(MINE) if landed else None)


def test_a_failed_read_is_repeated() -> None:
    booth = Booth()
    booth.leave_in_flight()
    booth.ballot.failed()
    assert isinstance(booth.op(), Read)
    booth.ballot.failed()
    assert isinstance(booth.op(), Read)


def test_a_term_of_nobody_here_on_this_session_is_ended() -> None:
    booth = Booth()
    booth.news(MINE)
    assert booth.op() == Release(MINE)
    booth.ballot.released(booth.now)
    booth.news(None)
    assert booth.ballot.idle


def test_a_bid_that_finds_anothers_orphan_ends_it() -> None:
    booth = Booth()
    stream = booth.enter(entry("bob"))
    booth.acquire()
    booth.answer(MINE)
    assert booth.op() == Release(MINE)
    booth.ballot.released(booth.now)
    assert booth.acquire().holder == "bob"
    assert booth.end(stream) is None


# -- buried tokens


def test_a_token_that_was_ended_here_is_no_win() -> None:
    booth = Booth()
    booth.lead(entry("ann", ttl=3))
    booth.wait(3.1)
    assert booth.op() == Release(MINE)
    booth.ballot.failed()
    booth.enter(entry("ann", 2))
    assert booth.op() == Release(MINE)
    booth.ballot.released(booth.now)
    booth.acquire()
    booth.answer(MINE)  # the release had not landed after all, or its acquire came twice
    assert booth.token is None
    assert booth.op() == Release(MINE)


def test_a_buried_token_is_not_claimed() -> None:
    booth = Booth()
    booth.resign(booth.lead(entry("ann")))
    assert booth.claims() == []


# -- news and answers


def test_old_news_do_not_end_a_term() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann"))
    for old in (None, term(3, "eve", session=THERE), MINE):
        booth.news(old)
        assert booth.leads(7)
    assert isinstance(booth.op(), Read)
    booth.read(MINE)
    assert booth.op() is None
    assert booth.end(ann) is None


@pytest.mark.parametrize("present", [None, RIVAL])
def test_news_of_a_loss_are_checked_and_then_believed(present: Term | None) -> None:
    booth = Booth()
    ann = booth.lead(entry("ann"))
    booth.news(None)
    assert booth.leads(7)
    assert isinstance(booth.op(), Read)
    booth.read(present)
    assert booth.reason(ann) is Reason.BACKEND_LOST
    assert booth.token is None


def test_news_during_the_check_ask_for_another() -> None:
    booth = Booth()
    booth.lead(entry("ann"))
    booth.news(None)
    booth.op()
    booth.news(RIVAL)
    booth.read(MINE)
    assert isinstance(booth.op(), Read)


def test_a_failed_check_is_repeated() -> None:
    booth = Booth()
    booth.lead(entry("ann"))
    booth.news(None)
    assert isinstance(booth.op(), Read)
    booth.ballot.failed()
    assert isinstance(booth.op(), Read)


def test_news_that_overtook_an_answer_win_where_one_waits() -> None:
    booth = Booth()
    booth.enter(entry("ann"))
    booth.acquire()
    booth.news(None)  # eve has gone already
    booth.answer(RIVAL)
    assert booth.acquire().holder == "ann"


def test_own_win_told_by_the_watch_before_the_answer() -> None:
    booth = Booth()
    stream = booth.enter(entry("ann"))
    booth.acquire()
    booth.news(MINE)
    booth.answer(MINE)
    view = booth.view(stream)
    assert view is not None
    assert view.state is State.LEADING
    assert booth.op() is None


@pytest.mark.parametrize("last", [None, term(7, "ann", 2, session=THERE), RIVAL])
def test_a_win_that_news_overtook_is_checked(last: Term | None) -> None:
    booth = Booth()
    booth.enter(entry("ann"))
    booth.acquire()
    booth.news(MINE)
    booth.news(last)  # deleted by hand, moved away, or followed: before the answer came
    booth.answer(MINE)
    assert isinstance(booth.op(), Read)


# -- the interleavings that the design's review found, where they concern the ballot


def test_interleaving_2_a_fresh_win_is_promised_no_more_than_the_session_has_left() -> None:
    booth = Booth()
    booth.now += BACKEND_TTL / 2 - 1
    booth.lead(entry("ann", ttl=3600))
    view = booth.view("ann/1")
    assert view is not None
    assert view.trust == pytest.approx(BACKEND_TTL / 2 + 1 - margin(BACKEND_TTL))


def test_interleaving_3_a_stale_bid_neither_steals_nor_ends_the_term_that_moved_away() -> None:
    booth = Booth()
    stream = booth.enter(entry("ann"))
    booth.acquire()
    booth.answer(term(7, "ann", 2, session=THERE))
    assert booth.reason(stream) is Reason.SUPERSEDED
    booth.news(term(7, "ann", 2, session=THERE))
    assert booth.op() is None


def test_interleaving_3_a_move_that_lands_after_its_client_was_turned_away_ends_nothing() -> None:
    booth = Booth()
    booth.enter(entry("ann", 2, ttl=3, resume=7))
    booth.acquire()
    booth.lose_session()
    booth.answer(term(7, "ann", 2))  # ann is back where she came from, and trusts
    assert not isinstance(booth.op(), Release)
    assert 7 in booth.claims()
    booth.news(term(7, "ann", 3, session=THERE))
    assert booth.op() is None
    assert booth.ballot.idle


def test_and_if_she_never_comes_it_is_ended_once_she_cannot_trust() -> None:
    booth = Booth()
    booth.enter(entry("ann", 2, ttl=3, resume=7))
    booth.acquire()
    booth.lose_session()
    booth.answer(term(7, "ann", 2))
    booth.wait(3.2)
    assert booth.op() == Release(term(7, "ann", 2))


def test_interleaving_4_no_bid_for_anybody_before_a_releases_outcome_is_known() -> None:
    booth = Booth()
    booth.resign(booth.lead(entry("ann")))
    booth.enter(entry("bob"))
    assert booth.op() == Release(MINE)
    booth.ballot.failed()
    booth.news(None)
    assert booth.op() == Release(MINE)


def test_interleaving_5_trust_in_a_late_answer_counts_from_what_was_heard() -> None:
    booth = Booth()
    booth.lead(entry("ann", ttl=3))
    booth.now += 2
    view = booth.view("ann/1")
    assert view is not None
    assert view.sequence == 0  # the enter, 2 s ago
    assert view.trust == pytest.approx(2.94)


def test_interleaving_6_a_resign_here_of_a_term_that_has_just_moved_is_not_acknowledged() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann"))
    booth.resign(ann, "caller")
    assert booth.op() == Release(MINE)
    booth.ballot.released(booth.now)  # scoped to this session: it ended nothing
    assert booth.end("caller") is None
    assert isinstance(booth.op(), Read)
    booth.read(term(7, "ann", 2, session=THERE))
    assert booth.reason("caller") is Reason.SUPERSEDED


def test_interleaving_7_a_shorter_ttl_whose_answers_are_lost_is_borne_with_a_margin() -> None:
    """The client caps its trust at its sending + ttl, on a clock that may be 1 % slow."""
    booth = Booth()
    booth.lead(entry("ann", ttl=60))
    booth.enter(entry("ann", 2, ttl=1, resume=7))
    booth.acquire()
    booth.answer(term(7, "ann", 2))
    booth.wait(1.02)
    assert booth.leads(7)
    booth.wait(0.1)
    assert booth.leads(None)


def test_interleaving_8_a_drain_frees_nothing_that_clients_still_trust() -> None:
    booth = Booth()
    booth.lead(entry("ann", ttl=10))
    booth.ballot.drain(booth.session, booth.now)
    for _ in range(9):
        booth.wait(1.0)
        booth.renew()
        assert booth.op() is None
        assert 7 in booth.claims()


def test_interleaving_9_an_acquire_that_lands_after_its_candidate_left_is_ended() -> None:
    booth = Booth()
    booth.leave_in_flight()
    booth.answer(MINE)
    assert booth.token is None
    assert booth.op() == Release(MINE)


def test_interleaving_10_what_was_heard_before_silence_is_judged_counts() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann", ttl=1))
    booth.now += 2  # the gateway stood still; the heartbeat lay unread and is read first
    booth.beat(ann, 1)
    booth.ballot.tick(booth.now)
    assert booth.leads(7)


def test_a_loss_of_the_session_ends_no_term_before_its_trust_is_over() -> None:
    booth = Booth()
    booth.lead(entry("ann", ttl=60))
    old = booth.session
    booth.now = old.lost_at
    booth.lose_session()
    booth.session = Session(HERE, booth.now + BACKEND_TTL, BACKEND_TTL)  # the store is back
    assert booth.op() is None
    assert 7 in booth.claims()
    booth.wait(old.good_until - booth.now + 0.001)
    assert booth.op() == Release(MINE)


def test_who_resigns_while_an_older_wish_of_its_credential_is_under_way_is_told_in_the_end() -> (
    None
):
    booth = Booth()
    ann = booth.lead(entry("ann", keep=False))
    booth.ballot.proclaim(booth.seats[ann], b"new", booth.now)
    booth.acquire()
    booth.leave(ann)  # RELEASE: the term is doomed
    again = booth.enter(entry("ann", 2, keep=False))
    booth.resign(again)
    booth.answer(term(7, "ann", value=b"new"))
    assert booth.op() == Release(term(7, "ann"))
    booth.ballot.released(booth.now)
    assert booth.end(again) is None, "not before the store has shown that it is over"
    assert booth.op() == Read()
    booth.read(None)
    assert booth.reason(again) is None
    assert booth.op() is None
    assert booth.ballot.idle


def test_a_term_that_ended_between_two_looks_of_the_watch_is_missed_within_a_second() -> None:
    booth = Booth()
    ann = booth.enter(entry("ann"))
    booth.acquire()
    booth.answer(MINE)
    booth.wait(0.5)
    assert booth.op() is None  # the watch has time to tell of it
    booth.wait(0.2)
    assert isinstance(booth.op(), Read)
    booth.read(None)
    assert booth.reason(ann) is Reason.BACKEND_LOST


def test_a_term_that_the_watch_told_of_is_not_read() -> None:
    booth = Booth()
    booth.lead(entry("ann"))
    booth.wait(1.0)
    assert booth.op() is None


def test_a_successor_that_only_an_answer_told_of_is_read_again() -> None:
    booth = Booth()
    booth.lead(entry("ann"))
    booth.enter(entry("bob"))
    booth.news(None)
    assert isinstance(booth.op(), Read)
    booth.read(term(8, "eve", session=THERE))  # it ends before the watch looks again
    assert booth.op() is None
    booth.wait(1.1)
    assert isinstance(booth.op(), Read)
    booth.read(None)
    assert booth.acquire().holder == "bob"


def test_a_loss_of_the_session_ends_no_term_that_comes_back_from_another_gateway() -> None:
    booth = Booth()
    booth.lead(entry("ann", ttl=60))
    booth.now = booth.session.lost_at - 1
    booth.enter(entry("ann", 2, ttl=5, resume=7))  # it led elsewhere, and trusts that gateway
    booth.acquire()
    booth.now += 1
    booth.lose_session()
    booth.session = Session(HERE, booth.now + BACKEND_TTL, BACKEND_TTL)
    booth.answer(term(7, "ann", 2))
    booth.wait(4.0)
    assert booth.op() is None
    booth.wait(0.2)
    assert booth.op() == Release(MINE)


def test_a_move_whose_outcome_is_unknown_is_asked_for_again_whoever_will_not_wait() -> None:
    booth = Booth()
    ann = booth.enter(entry("ann", 2, no_wait=True, resume=7))
    booth.acquire()
    booth.ballot.failed()
    assert booth.end(ann) is None
    booth.acquire()
    booth.answer(term(7, "ann", 2))  # it had landed, and its client trusts another gateway
    assert booth.leads(7)


def test_a_loss_of_the_session_ends_no_term_that_moved_here_before_its_older_trust_is_over() -> (
    None
):
    booth = Booth()
    booth.now = booth.session.lost_at - 1
    booth.enter(entry("ann", 2, ttl=60, resume=7))
    booth.acquire()
    booth.answer(term(7, "ann", 2))  # and what ann is told of it is lost
    booth.now += 1
    booth.lose_session()
    booth.session = Session(HERE, booth.now + BACKEND_TTL, BACKEND_TTL)  # the store is back
    booth.wait(BACKEND_TTL - 1)
    assert booth.op() is None
    booth.wait(0.4)
    assert booth.op() == Release(term(7, "ann", 2))


def test_a_token_that_was_lowered_by_hand_is_asked_about() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann"))
    booth.news(term(6, "ann"))
    assert booth.op() == Read()
    booth.read(term(6, "ann"))
    assert booth.reason(ann) is Reason.BACKEND_LOST


def test_where_no_term_can_move_a_lost_session_is_borne_no_longer_than_it_was_promised() -> None:
    booth = Booth(moves_terms=False)
    booth.lead(entry("ann", ttl=60))
    booth.now = booth.session.lost_at - 1
    booth.enter(entry("ann", 2, ttl=60, resume=7))
    booth.acquire()
    booth.ballot.failed()
    good_until = booth.session.good_until
    booth.lose_session()
    booth.session = Session(HERE, good_until + BACKEND_TTL, BACKEND_TTL)
    booth.wait(good_until - booth.now)
    assert isinstance(booth.op(), Release)


def test_an_answer_right_after_a_win_does_not_replace_the_later_look() -> None:
    """Seed 18423: the record was deleted by hand after it, and before the watch had looked."""
    booth = Booth()
    ann = booth.enter(entry("ann"))
    booth.acquire()
    booth.news(None)  # of the leader before
    booth.answer(term(7, "ann"))
    assert booth.op() == Read()
    booth.read(term(7, "ann"))
    assert booth.op() is None
    booth.wait(0.7)
    assert booth.op() == Read()
    booth.read(None)
    assert booth.reason(ann) is Reason.BACKEND_LOST
