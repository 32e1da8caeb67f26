"""Ballot: every row of the contract's table of resumes, and attempts."""

import pytest

from incumbent_backends.api import Term
from incumbent_server.candidacy import Acquire, Release, State, Won
from incumbent_server.reasons import Reason
from tests.unit.booth import THERE, Booth, entry, term


def arrive(booth: Booth, attempt: int = 2, token: int = 7, *, keep: bool = True) -> str:
    """Ann, who leads elsewhere, comes here with her token."""
    stream = booth.enter(entry("ann", attempt, resume=token, keep=keep))
    assert booth.view(stream) is None  # nothing is said before the store has answered
    assert booth.acquire() == Acquire("ann", attempt, "candidate of ann", None, token)
    return stream


# -- leads with that very token


def test_resume_on_the_same_gateway_keeps_token_and_value_and_ends_the_older_stream() -> None:
    booth = Booth()
    old = booth.lead(entry("ann", value=b"v"))
    new = booth.enter(entry("ann", 2, resume=7))
    end = booth.end(old)
    assert end is not None
    assert end.reason is Reason.SUPERSEDED
    assert end.view is not None
    assert end.view.state is State.LOST
    assert booth.leads(7)
    assert booth.view(new) is None  # the store does not know the newest attempt yet
    assert booth.acquire() == Acquire("ann", 2, "candidate of ann", None, 7)
    booth.answer(term(7, "ann", 2, value=b"v"))
    view = booth.view(new)
    assert view is not None
    assert (view.state, view.term) == (State.LEADING, term(7, "ann", 2, value=b"v"))


def test_a_value_in_a_resume_is_proclaimed() -> None:
    booth = Booth()
    booth.lead(entry("ann", value=b"old"))
    booth.enter(entry("ann", 2, resume=7, value=b"new"))
    assert booth.acquire() == Acquire("ann", 2, "candidate of ann", b"new", 7)


def test_a_value_proclaimed_while_the_term_moves_is_kept() -> None:
    """Its client leads, and does not know yet that it leads here."""
    booth = Booth()
    booth.news(term(7, "ann", session=THERE))
    ann = booth.seats[arrive(booth)]
    assert booth.ballot.proclaim(ann, b"new", booth.now)
    booth.answer(term(7, "ann", 2))  # what was asked before
    assert booth.leads(7)
    assert booth.acquire() == Acquire("ann", 2, "candidate of ann", b"new", 7)


def test_resume_moves_the_term_here_from_another_gateway() -> None:
    booth = Booth()
    booth.news(term(7, "ann", session=THERE))
    stream = arrive(booth)
    booth.answer(term(7, "ann", 2))
    view = booth.view(stream)
    assert view is not None
    assert (view.state, view.term) == (State.LEADING, term(7, "ann", 2))
    assert Won(term(7, "ann", 2), resumed=True) in booth.ballot.take()


def test_the_gateway_that_was_left_ends_its_stream_superseded_and_ends_nothing() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann"))
    booth.news(term(7, "ann", 2, session=THERE))
    assert booth.reason(ann) is Reason.SUPERSEDED
    assert booth.op() is None
    assert booth.claims() == []
    assert booth.ballot.idle


def test_a_client_may_come_back_to_the_gateway_that_it_left() -> None:
    booth = Booth()
    booth.lead(entry("ann"))
    booth.news(term(7, "ann", 2, session=THERE))
    stream = arrive(booth, attempt=3)
    booth.answer(term(7, "ann", 3))
    view = booth.view(stream)
    assert view is not None
    assert view.state is State.LEADING


def test_the_old_gateway_finds_out_by_its_own_questions_when_news_are_late() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann"))
    booth.ballot.proclaim(booth.seats[ann], b"mine", booth.now)
    booth.acquire()
    booth.answer(term(7, "ann", 2, session=THERE))
    assert booth.reason(ann) is Reason.SUPERSEDED
    assert booth.op() is None


def test_a_resume_is_repeated_while_its_outcome_is_unknown() -> None:
    booth = Booth()
    stream = arrive(booth)
    booth.ballot.failed()
    assert booth.acquire().resume == 7
    booth.answer(term(7, "ann", 2))
    assert booth.view(stream) is not None


# -- that term no longer lives


@pytest.mark.parametrize(
    "present", [None, term(8, "eve", session=THERE), term(9, "ann", session=THERE)]
)
def test_resume_of_a_dead_term_is_lost_and_never_a_new_term(present: Term | None) -> None:
    booth = Booth()
    stream = arrive(booth)
    booth.answer(present)
    end = booth.end(stream)
    assert end is not None
    assert end.reason is Reason.EXPIRED
    assert end.view is not None
    assert end.view.state is State.LOST
    assert not booth.ballot.arriving
    assert booth.token is None


def test_resume_of_a_token_that_was_ended_here_is_lost_without_asking() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann"))
    booth.resign(ann)
    assert booth.op() == Release(term(7, "ann"))
    booth.ballot.released(booth.now)
    booth.op()
    booth.read(None)
    assert booth.reason(booth.enter(entry("ann", 2, resume=7))) is Reason.EXPIRED


def test_late_news_of_a_term_that_was_ended_here_is_no_move() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann"))
    booth.enter(entry("bob"))
    booth.resign(ann)
    assert isinstance(booth.op(), Release)
    booth.ballot.released(booth.now)
    booth.news(term(7, "ann"))
    assert booth.reason(booth.enter(entry("ann", 2, resume=7))) is Reason.EXPIRED


def test_resume_with_another_token_than_the_one_held_is_lost_and_changes_nothing() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann"))
    assert booth.reason(booth.enter(entry("ann", 2, resume=99))) is Reason.EXPIRED
    assert booth.leads(7)
    assert booth.end(ann) is None


def test_a_stolen_token_under_another_credential_is_lost_and_changes_nothing() -> None:
    booth = Booth()
    ann = booth.lead(entry("ann"))
    thief = booth.enter(entry("eve", 2, resume=7))
    booth.acquire()
    booth.answer(term(7, "ann"))
    assert booth.reason(thief) is Reason.EXPIRED
    assert booth.leads(7)
    assert booth.end(ann) is None


# -- this store cannot move


def test_resume_where_terms_cannot_move_is_unavailable_while_the_other_gateway_lives() -> None:
    booth = Booth(moves_terms=False)
    stream = arrive(booth)
    booth.answer(term(7, "ann", session=THERE))
    assert booth.reason(stream) is Reason.HELD_BY_OTHER_GATEWAY


def test_and_lost_when_that_gateway_is_gone() -> None:
    booth = Booth(moves_terms=False)
    stream = arrive(booth)
    booth.answer(None)
    assert booth.reason(stream) is Reason.EXPIRED


# -- resume_token unset


def test_entering_again_while_waiting_keeps_the_place() -> None:
    booth = Booth()
    booth.lead(entry("eve"))
    old = booth.enter(entry("ann"))
    booth.enter(entry("bob"))
    booth.leave(old)
    new = booth.enter(entry("ann", 2))
    view = booth.view(new)
    assert view is not None
    assert (view.state, view.position) == (State.WAITING, 1)


def test_on_another_gateway_it_is_the_end_of_that_queue() -> None:
    booth = Booth()
    booth.lead(entry("eve"))
    booth.enter(entry("bob"))
    view = booth.view(booth.enter(entry("ann", 2)))
    assert view is not None
    assert view.position == 2


def test_a_place_is_kept_for_the_ttl_only() -> None:
    booth = Booth()
    booth.lead(entry("eve", ttl=60))
    booth.leave(booth.enter(entry("ann", ttl=3)))
    booth.enter(entry("bob", ttl=60))
    booth.wait(3.1)
    view = booth.view(booth.enter(entry("ann", 2)))
    assert view is not None
    assert view.position == 2


def test_entering_again_while_leading_without_a_token_goes_on_with_the_term() -> None:
    booth = Booth()
    old = booth.lead(entry("ann"))
    new = booth.enter(entry("ann", 2))  # the answer with the token was lost
    assert booth.reason(old) is Reason.SUPERSEDED
    booth.acquire()
    booth.answer(term(7, "ann", 2))
    view = booth.view(new)
    assert view is not None
    assert (view.state, view.term) == (State.LEADING, term(7, "ann", 2))


def test_whose_first_enter_won_elsewhere_is_found_and_moved_here() -> None:
    booth = Booth()
    booth.news(term(7, "ann", 1, session=THERE))
    booth.enter(entry("ann", 2))
    assert booth.acquire() == Acquire("ann", 2, "candidate of ann", None, 7)


def test_whose_newer_attempt_leads_elsewhere_is_superseded() -> None:
    booth = Booth()
    stream = booth.enter(entry("ann", 2))
    booth.news(term(7, "ann", 3, session=THERE))
    assert booth.op() is None
    assert booth.reason(stream) is Reason.SUPERSEDED


# -- attempts


@pytest.mark.parametrize("attempt", [1, 2])
@pytest.mark.parametrize("leads", [True, False])
def test_an_attempt_that_is_not_newer_is_superseded_and_changes_nothing(
    attempt: int, leads: bool
) -> None:
    booth = Booth()
    if not leads:
        booth.lead(entry("eve"))
    current = booth.lead(entry("ann", 2)) if leads else booth.enter(entry("ann", 2))
    late = booth.ballot.enter(entry("ann", attempt), "late", booth.now)
    assert late is None
    assert booth.reason("late") is Reason.SUPERSEDED
    assert booth.end(current) is None
    assert booth.view(current) is not None


def test_what_an_older_stream_does_after_it_was_superseded_means_nothing() -> None:
    booth = Booth()
    old = booth.lead(entry("ann", keep=False))
    booth.enter(entry("ann", 2, resume=7, keep=False))
    booth.leave(old)
    assert booth.leads(7)


def test_a_resume_of_an_older_attempt_than_the_term_has_is_superseded() -> None:
    booth = Booth()
    stream = arrive(booth, attempt=2)
    booth.answer(term(7, "ann", 4, session=THERE))
    assert booth.reason(stream) is Reason.SUPERSEDED


def test_a_newer_attempt_while_the_bid_of_the_older_one_is_in_flight() -> None:
    booth = Booth()
    old = booth.enter(entry("ann"))
    booth.acquire()
    new = booth.enter(entry("ann", 2))
    booth.answer(term(7, "ann", 1))
    assert booth.reason(old) is Reason.SUPERSEDED
    assert booth.view(new) is None
    assert booth.acquire() == Acquire("ann", 2, "candidate of ann", None, 7)
    booth.answer(term(7, "ann", 2))
    view = booth.view(new)
    assert view is not None
    assert view.state is State.LEADING


def test_a_resume_takes_over_the_ttl_and_what_happens_on_disconnect() -> None:
    booth = Booth()
    booth.lead(entry("ann", ttl=60, keep=True))
    new = booth.enter(entry("ann", 2, ttl=2, keep=False, resume=7))
    booth.acquire()
    booth.answer(term(7, "ann", 2))
    booth.beat(new, 1)
    view = booth.view(new)
    assert view is not None
    assert view.trust == pytest.approx(1.95)
    booth.leave(new)
    assert booth.op() == Release(term(7, "ann", 2))
