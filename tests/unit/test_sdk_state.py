"""The client rules of docs/clients.md, one by one, on the SDK's pure core.

Instants are seconds; every candidacy enters at 100, is given 9.8 s of trust (ttl 10 s, less 2 %)
and asked for a heartbeat every 3 s, unless the test says otherwise.
"""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from incumbent._state import (
    DISCONNECTED,
    TRUST_EXPIRED,
    UNREACHABLE,
    Beat,
    Candidacy,
    Enter,
    Heard,
    Phase,
)

NOBODY = math.inf  # patience: wait for a gateway for ever
DRAINING = "GATEWAY_DRAINING"


def leading(
    sequence: int = 0,
    trust: float | None = 9.8,
    *,
    token: int = 42,
    beat: float | None = 3.0,
    reason: str = "",
) -> Heard:
    return Heard(Phase.LEADING, token, sequence, trust, beat, reason)


def jeopardy(sequence: int = 0, trust: float | None = 9.8) -> Heard:
    return Heard(Phase.JEOPARDY, 42, sequence, trust, 3.0, "")


def waiting(sequence: int = 0, *, beat: float | None = 3.0, reason: str = "") -> Heard:
    return Heard(Phase.WAITING, 7, sequence, None, beat, reason)  # 7 is the leader's


def lost(reason: str, sequence: int = 0) -> Heard:
    return Heard(Phase.OVER, 42, sequence, None, None, reason)


def entered(
    gateways: int = 3, *, ttl: float = 10.0, keep: bool = True, patience: float = NOBODY
) -> Candidacy:
    """It has sent its first `enter` at 100, to gateway 0."""
    candidacy = Candidacy(ttl, gateways, keep, patience)
    assert candidacy.next(100.0) == Enter(0, 1, None)
    if not keep:
        assert candidacy.next(100.0) == Beat(1)
    return candidacy


def elected(gateways: int = 3, *, keep: bool = True, ttl: float = 10.0) -> Candidacy:
    """It leads since 100.1, and believes until 109.8."""
    candidacy = entered(gateways, keep=keep, ttl=ttl)
    candidacy.heard(1, leading(0 if keep else 1), 100.1)
    assert candidacy.held(100.1)
    return candidacy


def goes_to(candidacy: Candidacy, gateway: int, attempt: int, now: float) -> bool:
    """Whether it enters there now, to go on with its term."""
    return candidacy.next(now) == Enter(gateway, attempt, 42)


def rounds(over: Callable[[], bool]) -> Iterator[None]:
    """Go round until it is over, but not for ever."""
    for _ in range(1000):
        if over():
            return
        yield
    pytest.fail("it goes on for ever")


# -- the first enter


def test_the_first_message_is_an_enter_of_attempt_1_without_a_token() -> None:
    candidacy = Candidacy(10.0, 3, gateway=2)
    assert candidacy.due() == -math.inf  # at once
    assert candidacy.next(100.0) == Enter(gateway=2, attempt=1, resume_token=None)
    assert candidacy.next(100.0) is None


def test_it_does_not_lead_before_it_was_told_so() -> None:
    candidacy = Candidacy(10.0, 3)
    assert not candidacy.held(100.0)
    candidacy.next(100.0)
    assert not candidacy.held(100.0)
    candidacy.heard(1, waiting(), 100.1)
    assert not candidacy.held(100.1)
    assert candidacy.phase is Phase.WAITING


# -- trust counts from the sending


def test_trust_counts_from_the_sending_of_the_enter_not_from_the_answer() -> None:
    candidacy = entered()
    candidacy.heard(1, leading(0, 9.8), 102.0)
    assert candidacy.trusted_until == pytest.approx(109.8)
    assert candidacy.held(109.79)


def test_trust_counts_from_the_sending_of_the_heartbeat_that_is_answered() -> None:
    candidacy = elected()
    assert candidacy.next(103.1) == Beat(1)
    candidacy.heard(1, leading(1), 103.5)
    assert candidacy.trusted_until == pytest.approx(112.9)


def test_a_message_that_comes_unasked_refers_to_the_last_that_was_read() -> None:
    candidacy = elected()
    assert candidacy.next(103.1) == Beat(1)
    candidacy.heard(1, leading(0), 103.2)  # pushed before heartbeat 1 was read
    assert candidacy.trusted_until == pytest.approx(109.8)


def test_a_win_that_is_read_30_s_late_is_no_trust() -> None:
    candidacy = entered()
    candidacy.heard(1, leading(0, 9.8), 130.0)
    assert not candidacy.held(130.0)
    assert not candidacy.over


def test_a_win_while_a_heartbeat_is_under_way_counts_from_the_one_before() -> None:
    candidacy = entered()
    candidacy.heard(1, waiting(), 100.1)
    assert candidacy.next(103.1) == Beat(1)
    candidacy.heard(1, leading(0), 103.2)
    assert candidacy.trusted_until == pytest.approx(109.8)
    assert candidacy.next(103.2) is None  # heartbeat 1 is still to be answered
    candidacy.heard(1, leading(1), 103.3)
    assert candidacy.trusted_until == pytest.approx(112.9)


def test_each_message_replaces_all_earlier_trust_by_less_too() -> None:
    candidacy = elected()
    candidacy.heard(1, leading(0, 3.0), 101.0)
    assert candidacy.trusted_until == pytest.approx(103.0)
    assert not candidacy.held(103.0)


def test_no_more_than_the_ttl_is_believed() -> None:
    candidacy = entered()
    candidacy.heard(1, leading(0, 3600.0), 100.1)
    assert candidacy.trusted_until == pytest.approx(110.0)


@pytest.mark.parametrize("sequence", [2, 99, -1])
def test_a_message_that_was_never_sent_brings_no_trust(sequence: int) -> None:
    candidacy = entered()
    candidacy.heard(1, waiting(), 100.1)
    assert candidacy.next(103.1) == Beat(1)
    candidacy.heard(1, leading(1, None), 103.2)
    candidacy.heard(1, leading(sequence), 103.3)
    assert not candidacy.held(103.3)
    assert candidacy.next(candidacy.due()) == Beat(2)  # and the count goes on


def test_no_trust_at_all_ends_trust() -> None:
    for trust in (None, 0.0, -1.0):
        candidacy = elected()
        candidacy.heard(1, leading(0, trust), 101.0)
        assert not candidacy.held(101.0)
        assert (candidacy.over, candidacy.reason) == (True, TRUST_EXPIRED)


# -- rule 1: trust that ran out is over


def test_trust_that_ran_out_is_over_whatever_arrives_later() -> None:
    candidacy = elected()
    assert candidacy.next(103.1) == Beat(1)
    assert candidacy.held(109.79)
    assert not candidacy.held(109.8)
    assert (candidacy.phase, candidacy.reason) == (Phase.OVER, TRUST_EXPIRED)
    candidacy.heard(1, leading(1), 109.9)
    assert not candidacy.held(109.9)


def test_the_end_of_trust_need_not_have_been_looked_at() -> None:
    """An answer that would have kept it comes too late: nobody asked in between."""
    candidacy = elected()
    assert candidacy.next(103.1) == Beat(1)
    candidacy.heard(1, leading(1), 109.85)
    assert not candidacy.held(109.85)


def test_after_trust_ran_out_nothing_is_sent() -> None:
    candidacy = elected()
    assert candidacy.next(109.8) is None
    assert candidacy.due() == math.inf
    assert candidacy.next(1e9) is None


def test_a_process_that_stood_still_for_hours_does_not_lead_when_it_goes_on() -> None:
    candidacy = elected()
    assert candidacy.next(103.1) == Beat(1)
    candidacy.heard(1, leading(1), 103.2)
    assert candidacy.next(103.2 + 7200) is None
    assert candidacy.reason == TRUST_EXPIRED


def test_a_candidate_that_stood_still_for_hours_asks_again() -> None:
    candidacy = entered()
    candidacy.heard(1, waiting(), 100.1)
    assert candidacy.next(7300.0) == Beat(1)
    candidacy.heard(1, lost("EXPIRED", 1), 7300.1)
    assert (candidacy.over, candidacy.reason) == (True, "EXPIRED")


# -- a win without trust


def test_leading_without_trust_is_not_leading_and_a_heartbeat_goes_out_at_once() -> None:
    for trust in (None, 0.0, 9.8):
        candidacy = entered()
        candidacy.heard(1, leading(0, trust), 130.0)  # the win came long after the enter
        assert not candidacy.held(130.0)
        assert candidacy.next(130.0) == Beat(1)
        candidacy.heard(1, leading(1), 130.2)
        assert candidacy.trusted_until == pytest.approx(139.8)


def test_as_long_as_no_trust_comes_heartbeats_follow_at_a_pace() -> None:
    candidacy, now = entered(), 100.0
    for sent in range(20):
        candidacy.heard(1, leading(sent, 0.0), now)
        now = max(now, candidacy.due())
        assert candidacy.next(now) == Beat(sent + 1)
    assert now == pytest.approx(101.0)  # 50 ms apart


def test_a_term_that_was_told_without_trust_is_resumed_by_its_token() -> None:
    candidacy = entered()
    candidacy.heard(1, leading(0, None), 100.1)
    candidacy.ended(1, "UNAVAILABLE", "", 100.2)
    assert goes_to(candidacy, 1, 2, 100.2)


# -- heartbeats


def test_a_heartbeat_is_sent_when_it_is_due_also_while_waiting() -> None:
    for first in (leading(), waiting()):
        candidacy = entered()
        candidacy.heard(1, first, 100.1)
        assert candidacy.due() == pytest.approx(103.1)
        assert candidacy.next(103.09) is None
        assert candidacy.next(103.1) == Beat(1)


def test_no_heartbeat_before_the_one_before_was_answered() -> None:
    candidacy = elected()
    assert candidacy.next(103.1) == Beat(1)
    candidacy.heard(1, leading(0), 103.2)  # pushed
    assert candidacy.next(106.3) is None
    candidacy.heard(1, leading(1), 106.31)
    assert candidacy.next(109.31) == Beat(2)


def test_no_heartbeat_before_the_enter_was_answered() -> None:
    candidacy = entered()
    assert candidacy.next(102.9) is None


@pytest.mark.parametrize("first", [leading(), waiting()])
def test_what_comes_unasked_does_not_put_the_heartbeat_off(first: Heard) -> None:
    """A queue that moves, or a leader that proclaims, brings a message every second or so."""
    candidacy = entered()
    for tenth in range(1, 31):
        candidacy.heard(1, first, 100.0 + tenth / 10)
        assert candidacy.next(100.0 + tenth / 10) is None
    assert candidacy.next(103.1) == Beat(1)


def test_a_heartbeat_goes_out_before_trust_ends_even_if_the_gateway_asks_for_it_later() -> None:
    candidacy = entered()
    candidacy.heard(1, leading(0, 9.0, beat=3.0), 107.0)  # won on a message of long ago
    assert candidacy.next(107.0) == Beat(1)


def test_a_heartbeat_that_is_due_in_no_time_keeps_a_pace() -> None:
    candidacy = elected()
    candidacy.heard(1, leading(beat=0.0), 100.1)
    assert candidacy.next(100.1) == Beat(1)
    candidacy.heard(1, leading(1, beat=0.0), 100.11)
    assert candidacy.due() == pytest.approx(100.15)


@pytest.mark.parametrize("beat", [None, 3600.0])
def test_a_heartbeat_is_due_within_a_third_of_the_ttl_whatever_was_told(beat: float | None) -> None:
    candidacy = entered()
    candidacy.heard(1, waiting(beat=beat), 100.1)
    assert candidacy.due() == pytest.approx(100.1 + 10 / 3)


def test_numbers_begin_anew_on_each_stream() -> None:
    candidacy = elected()
    assert candidacy.next(103.1) == Beat(1)
    candidacy.ended(1, "UNAVAILABLE", "", 103.2)
    assert goes_to(candidacy, 1, 2, 103.2)
    candidacy.heard(2, leading(0), 103.3)
    assert candidacy.trusted_until == pytest.approx(113.0)
    assert candidacy.next(106.3) == Beat(1)


# -- rule 2: no answer for a third of the trust, or JEOPARDY


def test_without_an_answer_for_a_third_of_the_trust_it_enters_at_the_next_gateway() -> None:
    candidacy = elected()
    assert candidacy.next(103.1) == Beat(1)
    late = 103.1 + 9.8 / 3
    assert candidacy.due() == pytest.approx(late)
    assert candidacy.next(late - 0.01) is None
    assert goes_to(candidacy, 1, 2, late + 0.01)
    assert candidacy.held(late + 0.01)  # trust runs on


def test_the_third_is_that_of_the_latest_trust() -> None:
    candidacy = elected()
    assert candidacy.next(103.1) == Beat(1)
    candidacy.heard(1, leading(0, 6.0), 103.2)
    assert goes_to(candidacy, 1, 2, 105.11)


def test_a_push_does_not_answer_a_heartbeat() -> None:
    candidacy = elected()
    assert candidacy.next(103.1) == Beat(1)
    candidacy.heard(1, leading(0), 106.0)
    assert goes_to(candidacy, 1, 2, 103.1 + 9.8 / 3 + 0.01)


def test_an_enter_without_an_answer_is_followed_by_one_at_the_gateway_after() -> None:
    candidacy = elected()
    assert candidacy.next(101.0) is None
    candidacy.ended(1, "UNAVAILABLE", "", 101.0)
    assert goes_to(candidacy, 1, 2, 101.0)
    assert goes_to(candidacy, 2, 3, 104.3)
    assert goes_to(candidacy, 0, 4, 107.6)
    assert candidacy.held(109.79)
    assert not candidacy.held(109.8)


def test_in_jeopardy_it_enters_at_the_next_gateway_and_believes_on() -> None:
    candidacy = elected()
    assert candidacy.next(103.1) == Beat(1)
    candidacy.heard(1, jeopardy(1), 103.2)
    assert candidacy.held(103.2)
    assert goes_to(candidacy, 1, 2, 103.2)
    assert candidacy.held(112.89)


def test_in_jeopardy_it_stays_where_there_is_no_other_gateway() -> None:
    candidacy = elected(gateways=1)
    candidacy.heard(1, jeopardy(), 101.0)
    assert candidacy.phase is Phase.JEOPARDY
    assert candidacy.next(101.0) is None
    assert candidacy.next(103.1) == Beat(1)
    candidacy.heard(1, leading(1), 103.2)
    assert (candidacy.phase, candidacy.held(103.2)) == (Phase.LEADING, True)


def test_jeopardy_that_is_over_is_no_reason_to_leave() -> None:
    candidacy = entered()
    candidacy.heard(1, jeopardy(), 100.1)
    candidacy.heard(1, leading(), 100.2)
    assert candidacy.next(102.0) is None


def test_jeopardy_everywhere_is_gone_round_at_a_pace() -> None:
    candidacy = elected()
    candidacy.heard(1, jeopardy(), 101.0)
    entries = []
    now = 101.0
    for _ in rounds(lambda: candidacy.over):
        if isinstance(todo := candidacy.next(now), Enter):
            entries.append((now, todo.gateway))
            candidacy.heard(todo.attempt, jeopardy(0, 109.8 - now), now + 0.01)
        elif todo is None:
            now = candidacy.due()
    assert [gateway for _, gateway in entries[:4]] == [1, 2, 0, 1]
    gaps = [b - a for (a, _), (b, _) in pairwise(entries)]
    assert min(gaps) >= 0.05 - 1e-9
    assert gaps[0] == pytest.approx(0.88)  # a tenth of the trust


def test_nothing_more_is_sent_on_the_older_stream() -> None:
    candidacy = elected()
    candidacy.heard(1, jeopardy(), 101.0)
    assert goes_to(candidacy, 1, 2, 101.0)
    assert candidacy.next(103.2) is None  # the heartbeat that the older stream was due


@pytest.mark.parametrize(
    "told", [leading(1), lost("SUPERSEDED", 1), lost("BACKEND_LOST"), waiting()]
)
def test_an_older_streams_messages_count_no_longer(told: Heard) -> None:
    candidacy = elected()
    assert candidacy.next(103.1) == Beat(1)
    assert goes_to(candidacy, 1, 2, 106.5)
    candidacy.heard(1, told, 106.6)
    assert candidacy.trusted_until == pytest.approx(109.8)
    assert not candidacy.answered
    assert not candidacy.held(109.8)


@pytest.mark.parametrize("status", ["ABORTED", "UNAVAILABLE", "OK", "INVALID_ARGUMENT"])
def test_an_older_streams_end_says_nothing_of_the_term(status: str) -> None:
    candidacy = elected()
    candidacy.heard(1, jeopardy(), 101.0)
    assert goes_to(candidacy, 1, 2, 101.0)
    candidacy.ended(1, status, "SUPERSEDED" if status == "ABORTED" else "", 101.1)
    assert candidacy.held(101.1)
    assert candidacy.next(101.1) is None
    candidacy.heard(2, leading(), 101.2)
    assert candidacy.trusted_until == pytest.approx(110.8)


def test_who_waits_leaves_a_gateway_that_does_not_answer() -> None:
    candidacy = entered()
    candidacy.heard(1, waiting(), 100.1)
    assert candidacy.next(103.1) == Beat(1)
    assert candidacy.next(106.0) is None
    assert candidacy.next(106.2) == Enter(1, 2, None)


@pytest.mark.parametrize("ttl", [1.0, 10.0, 3600.0])
def test_each_gateway_is_tried_before_patience_ends(ttl: float) -> None:
    """However long the ttl: gateways that take messages and never answer."""
    candidacy = entered(3, ttl=ttl, patience=10.0)
    tried = {0}
    for _ in rounds(lambda: candidacy.over):
        if isinstance(todo := candidacy.next(candidacy.due()), Enter):
            tried.add(todo.gateway)
    assert tried == {0, 1, 2}
    assert candidacy.reason == UNREACHABLE


def test_an_enter_that_is_answered_slowly_is_given_more_time_at_each_attempt() -> None:
    """As with no_wait or a resume, which the gateway answers when its store has."""
    candidacy = entered(1, ttl=1.0)
    instants = [100.0]
    for _ in rounds(lambda: len(instants) == 6):
        now = candidacy.due()
        if isinstance(candidacy.next(now), Enter):
            instants.append(now)
    gaps = [round(b - a, 3) for a, b in pairwise(instants)]
    assert gaps == [1.0, 2.0, 3.0, 4.0, 4.0]


# -- rule 3: a shorter ttl caps earlier trust


def test_no_enter_of_its_own_could_cap_the_trust_that_it_has() -> None:
    """All its enters carry one ttl: earlier trust ends before any enter's sending plus that ttl."""
    candidacy = elected(ttl=2.0)
    candidacy.heard(1, leading(0, 9.8), 100.2)
    candidacy.ended(1, "UNAVAILABLE", "", 100.3)
    assert goes_to(candidacy, 1, 2, 100.3)
    assert candidacy.trusted_until <= 100.3 + 2.0


# -- rule 4: resign ends belief at its sending


def test_resign_ends_belief_on_every_stream() -> None:
    candidacy = elected()
    candidacy.heard(1, jeopardy(), 101.0)
    assert goes_to(candidacy, 1, 2, 101.0)
    candidacy.resign()
    assert not candidacy.held(101.0)
    for attempt in (1, 2):
        candidacy.heard(attempt, leading(), 101.1)
        candidacy.ended(attempt, "UNAVAILABLE", "", 101.2)
    assert not candidacy.held(101.2)
    assert candidacy.next(101.2) is None
    assert (candidacy.phase, candidacy.reason) == (Phase.OVER, "")


def test_resign_after_the_end_does_not_change_why() -> None:
    candidacy = elected()
    candidacy.heard(1, lost("BACKEND_LOST"), 101.0)
    candidacy.resign()
    assert candidacy.reason == "BACKEND_LOST"


def test_who_waits_may_resign_and_does_not_win_any_more() -> None:
    candidacy = entered()
    candidacy.resign()
    candidacy.heard(1, leading(), 100.1)
    assert not candidacy.held(100.1)


# -- resuming


@pytest.mark.parametrize("status", ["UNAVAILABLE", "OK", "UNKNOWN", "INTERNAL", "CANCELLED"])
def test_a_stream_that_broke_is_resumed_with_the_token_at_the_next_gateway(status: str) -> None:
    candidacy = elected()
    candidacy.ended(1, status, "", 101.0)
    assert candidacy.held(101.0)
    assert goes_to(candidacy, 1, 2, 101.0)
    candidacy.heard(2, leading(), 101.2)
    assert candidacy.trusted_until == pytest.approx(110.8)


def test_after_a_stream_ended_its_messages_count_no_longer() -> None:
    candidacy = elected(gateways=1)
    candidacy.ended(1, "UNAVAILABLE", "", 101.0)
    candidacy.heard(1, leading(0, 5.0), 101.01)
    assert candidacy.trusted_until == pytest.approx(109.8)
    assert goes_to(candidacy, 0, 2, candidacy.due())


def test_who_waits_enters_again_without_a_token() -> None:
    candidacy = entered()
    candidacy.heard(1, waiting(), 100.1)
    candidacy.ended(1, "UNAVAILABLE", "", 101.0)
    assert candidacy.next(101.0) == Enter(1, 2, None)


def test_an_enter_whose_answer_was_lost_is_repeated_with_the_next_attempt() -> None:
    candidacy = entered()
    candidacy.ended(1, "UNAVAILABLE", "", 100.5)
    assert candidacy.next(100.5) == Enter(1, 2, None)
    candidacy.heard(2, leading(), 100.6)  # the term that the first one won
    assert candidacy.trusted_until == pytest.approx(110.3)


def test_a_gateway_that_drains_is_left_at_once_and_the_term_is_kept() -> None:
    for gateways, following in ((3, 1), (1, 0)):
        candidacy = elected(gateways)
        candidacy.heard(1, leading(reason=DRAINING, beat=None), 105.0)
        assert candidacy.held(105.0)
        assert goes_to(candidacy, following, 2, 105.0)
        assert candidacy.held(109.7)


def test_it_does_not_matter_whether_the_drains_message_or_its_end_is_seen_first() -> None:
    candidacy = elected()
    candidacy.heard(1, leading(reason=DRAINING, beat=None), 105.0)
    candidacy.ended(1, "UNAVAILABLE", DRAINING, 105.0)
    assert goes_to(candidacy, 1, 2, 105.0)


def test_who_waits_leaves_a_gateway_that_drains() -> None:
    candidacy = entered()
    candidacy.heard(1, waiting(reason=DRAINING, beat=None), 105.0)
    assert candidacy.next(105.0) == Enter(1, 2, None)


def test_gateways_that_answer_and_drain_are_gone_round_at_a_pace() -> None:
    candidacy, now = entered(), 100.0
    entries = 0
    for _ in range(100):
        candidacy.heard(candidacy.attempt, waiting(reason=DRAINING), now)
        now = max(now, candidacy.due())
        entries += isinstance(candidacy.next(now), Enter)
    assert now - 100 >= entries > 10


def test_streams_that_are_answered_and_break_are_opened_at_a_pace() -> None:
    """Such as a proxy makes that lets every stream through, and cuts it."""
    candidacy, now = entered(2), 100.0
    for _ in range(100):
        candidacy.heard(candidacy.attempt, waiting(), now)
        candidacy.ended(candidacy.attempt, "UNAVAILABLE", "", now)
        now = max(now, candidacy.due())
        assert isinstance(candidacy.next(now), Enter)
    assert now > 180


def test_a_stream_that_lasted_is_followed_at_once_whatever_failed_before() -> None:
    candidacy = entered(2)
    for attempt in range(1, 9):
        candidacy.ended(attempt, "UNAVAILABLE", "", candidacy.due())
        candidacy.next(candidacy.due())
    last, now = candidacy.attempt, 200.0
    candidacy.heard(last, waiting(), now)
    candidacy.ended(last, "UNAVAILABLE", "", now + 60)
    assert candidacy.due() == now + 60


def test_once_every_gateway_failed_the_pauses_grow() -> None:
    candidacy = entered(2)
    instants = [100.0]
    now = 100.0
    for _ in rounds(lambda: len(instants) == 15):
        candidacy.ended(candidacy.attempt, "UNAVAILABLE", "", now)
        now = max(now, candidacy.due())
        assert isinstance(candidacy.next(now), Enter)
        instants.append(now)
    gaps = [round(b - a, 3) for a, b in pairwise(instants)]
    assert gaps == [0, 0.05, 0.05, 0.1, 0.1, 0.2, 0.2, 0.4, 0.4, 0.8, 0.8, 1.0, 1.0, 1.0]


def test_a_leader_pauses_for_a_tenth_of_its_trust_at_most() -> None:
    candidacy = elected(1, ttl=1.0)
    now = 100.2
    for _ in rounds(lambda: candidacy.over):
        candidacy.ended(candidacy.attempt, "UNAVAILABLE", "", now)
        assert candidacy.due() <= now + 0.1 + 1e-9
        now = candidacy.due()
        candidacy.next(now)
    assert now == pytest.approx(101.0)
    assert candidacy.reason == TRUST_EXPIRED


@pytest.mark.parametrize("answers", [True, False])
def test_an_outage_of_days_is_lived_through(answers: bool) -> None:
    """Thousands of failures in a row: powers of two stay numbers."""
    candidacy, now = entered(1), 100.0
    for _ in range(3000):
        now = max(now, candidacy.due())
        if answers:
            candidacy.ended(candidacy.attempt, "UNAVAILABLE", "", now)
        candidacy.next(now)
    assert not candidacy.over
    assert candidacy.due() <= now + 12.0


# -- what is final


@pytest.mark.parametrize("reason", ["EXPIRED", "SUPERSEDED", "BACKEND_LOST", "RESIGNED", DRAINING])
def test_lost_on_the_newest_attempt_is_final(reason: str) -> None:
    candidacy = elected()
    candidacy.heard(1, lost(reason), 101.0)
    assert not candidacy.held(101.0)
    assert (candidacy.over, candidacy.reason) == (True, reason)
    candidacy.ended(1, "ABORTED", "EXPIRED", 101.0)
    assert candidacy.reason == reason


@pytest.mark.parametrize(("reason", "kept"), [("EXPIRED", "EXPIRED"), ("", "ABORTED")])
def test_aborted_on_the_newest_attempt_is_final(reason: str, kept: str) -> None:
    candidacy = elected()
    candidacy.ended(1, "ABORTED", reason, 101.0)
    assert not candidacy.held(101.0)
    assert (candidacy.over, candidacy.reason) == (True, kept)


@pytest.mark.parametrize("reason", ["", "REASON_4711"])
def test_lost_with_a_reason_that_is_not_known_is_lost_all_the_same(reason: str) -> None:
    candidacy = elected()
    candidacy.heard(1, lost(reason), 101.0)
    assert not candidacy.held(101.0)
    assert candidacy.reason == (reason or "ABORTED")  # "" would say that it resigned


def test_a_resume_of_a_term_that_no_longer_lives_is_final() -> None:
    candidacy = elected()
    candidacy.ended(1, "UNAVAILABLE", "", 101.0)
    assert goes_to(candidacy, 1, 2, 101.0)
    candidacy.heard(2, lost("EXPIRED"), 101.2)
    assert not candidacy.held(101.2)


@pytest.mark.parametrize(
    "told", [leading(token=43), leading(token=41), leading(token=0), waiting()]
)
def test_another_term_than_its_own_is_the_end_of_its_own(told: Heard) -> None:
    candidacy = elected()
    candidacy.heard(1, told, 101.0)
    assert not candidacy.held(101.0)
    assert (candidacy.over, candidacy.token) == (True, 42)


def test_a_term_without_a_token_is_not_believed() -> None:
    candidacy = entered()
    candidacy.heard(1, leading(token=0), 100.1)
    assert not candidacy.held(100.1)
    assert candidacy.over


def test_after_the_end_nothing_is_believed_and_nothing_sent() -> None:
    ends: list[Callable[[Candidacy], None]] = [
        lambda it: it.resign(),
        lambda it: it.heard(1, lost("EXPIRED"), 101.0),
        lambda it: it.ended(1, "ABORTED", "SUPERSEDED", 101.0),
        lambda it: it.heard(1, leading(0, None), 101.0),
    ]
    for end in ends:
        candidacy = elected()
        end(candidacy)
        before = (candidacy.reason, candidacy.attempt)
        candidacy.heard(1, leading(), 101.1)
        candidacy.ended(1, "UNAVAILABLE", "", 101.2)
        assert not candidacy.held(101.2)
        assert candidacy.next(101.2) is None
        assert candidacy.due() == math.inf
        assert (candidacy.reason, candidacy.attempt) == before


# -- refused


@pytest.mark.parametrize(
    "status", ["INVALID_ARGUMENT", "FAILED_PRECONDITION", "UNAUTHENTICATED", "PERMISSION_DENIED"]
)
def test_a_refusal_ends_a_candidacy_without_trust(status: str) -> None:
    for told in (None, waiting(), leading(0, None)):
        candidacy = entered()
        if told is not None:
            candidacy.heard(1, told, 100.1)
        candidacy.ended(1, status, "THE_REASON", 100.2)
        assert (candidacy.over, candidacy.refused) == (True, status)
        assert candidacy.reason == "THE_REASON"
        assert candidacy.next(100.2) is None


@pytest.mark.parametrize(
    "status", ["INVALID_ARGUMENT", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"]
)
def test_a_leader_that_is_refused_resumes_while_trust_runs(status: str) -> None:
    candidacy = elected()
    candidacy.ended(1, status, "", 101.0)
    assert candidacy.held(101.0)
    assert goes_to(candidacy, 1, 2, 101.0)


def test_a_gateway_that_is_full_is_no_refusal_by_the_others() -> None:
    candidacy = entered(2)
    candidacy.ended(1, "RESOURCE_EXHAUSTED", "TOO_MANY_STREAMS", 100.1)
    assert candidacy.next(100.1) == Enter(1, 2, None)
    candidacy.ended(2, "UNAVAILABLE", "", 100.2)  # that one is away, and may have room again
    assert not candidacy.over
    assert candidacy.next(candidacy.due()) == Enter(0, 3, None)
    candidacy.heard(3, waiting(), 100.4)
    assert candidacy.phase is Phase.WAITING


def test_once_every_gateway_is_full_it_is_refused() -> None:
    candidacy = entered(2)
    candidacy.ended(1, "RESOURCE_EXHAUSTED", "TOO_MANY_STREAMS", 100.1)
    assert candidacy.next(100.1) == Enter(1, 2, None)
    candidacy.ended(2, "RESOURCE_EXHAUSTED", "TOO_MANY_CANDIDATES", 100.2)
    assert (candidacy.refused, candidacy.reason) == ("RESOURCE_EXHAUSTED", "TOO_MANY_CANDIDATES")


def test_that_a_gateway_was_full_before_another_answered_is_forgotten() -> None:
    candidacy = entered(2)
    candidacy.ended(1, "RESOURCE_EXHAUSTED", "", 100.1)
    candidacy.next(100.1)
    candidacy.heard(2, waiting(), 100.2)
    candidacy.ended(2, "RESOURCE_EXHAUSTED", "", 160.0)
    assert not candidacy.over
    assert candidacy.next(160.0) == Enter(0, 3, None)


def test_no_gateway_for_as_long_as_its_patience_is_the_end() -> None:
    candidacy = entered(patience=5.0)
    now = 100.0
    for _ in rounds(lambda: candidacy.over):
        candidacy.ended(candidacy.attempt, "UNAVAILABLE", "", now)
        now = max(now, candidacy.due())
        candidacy.next(now)
    assert now == pytest.approx(105.0)
    assert candidacy.reason == UNREACHABLE


def test_patience_counts_from_the_last_answer_that_failed_to_come() -> None:
    candidacy = entered(patience=5.0)
    candidacy.heard(1, waiting(), 104.0)
    candidacy.ended(1, "UNAVAILABLE", "", 106.0)
    assert candidacy.next(106.0) == Enter(1, 2, None)
    candidacy.ended(2, "UNAVAILABLE", "", 110.9)
    assert not candidacy.over
    assert candidacy.next(111.0) is None
    assert candidacy.reason == UNREACHABLE


def test_while_trust_runs_patience_does_not_count() -> None:
    candidacy = Candidacy(10.0, 1, patience=2.0)
    candidacy.next(100.0)
    candidacy.heard(1, leading(), 100.1)
    candidacy.ended(1, "UNAVAILABLE", "", 100.2)
    assert isinstance(candidacy.next(102.9), Enter)
    assert candidacy.held(109.7)


# -- RELEASE


@pytest.mark.parametrize("status", ["UNAVAILABLE", "OK", "UNKNOWN", "INVALID_ARGUMENT"])
def test_a_release_term_is_over_when_its_stream_breaks(status: str) -> None:
    candidacy = elected(keep=False)
    candidacy.ended(1, status, "", 101.0)
    assert not candidacy.held(101.0)
    assert (candidacy.over, candidacy.reason) == (True, DISCONNECTED)


def test_a_release_candidate_that_waits_enters_again() -> None:
    candidacy = entered(keep=False)
    candidacy.heard(1, waiting(1), 100.1)
    candidacy.ended(1, "UNAVAILABLE", "", 101.0)
    assert candidacy.next(101.0) == Enter(1, 2, None)


@pytest.mark.parametrize("told", [True, False])
def test_a_drain_does_not_end_a_release_term(told: bool) -> None:
    candidacy = elected(keep=False)
    if told:
        candidacy.heard(1, leading(1, reason=DRAINING, beat=None), 101.0)
    candidacy.ended(1, "UNAVAILABLE", DRAINING, 101.0)
    assert candidacy.held(101.0)
    assert goes_to(candidacy, 1, 2, 101.0)


def test_under_release_a_heartbeat_follows_each_enter_so_that_trust_is_given() -> None:
    candidacy = elected(keep=False)
    candidacy.heard(1, jeopardy(1), 101.0)
    assert goes_to(candidacy, 1, 2, 101.0)
    assert candidacy.next(101.0) == Beat(1)
    assert candidacy.next(101.0) is None
    candidacy.heard(2, leading(1), 101.2)
    assert candidacy.trusted_until == pytest.approx(110.8)


def test_who_resumes_under_release_believes_on_until_the_first_heartbeat_is_answered() -> None:
    """The gateway has not read it yet: the open stream is the proof of life. No trust is added."""
    candidacy = elected(keep=False)
    candidacy.heard(1, jeopardy(1), 101.0)
    assert goes_to(candidacy, 1, 2, 101.0)
    assert candidacy.next(101.0) == Beat(1)
    candidacy.heard(2, leading(0, None), 101.1)
    assert candidacy.trusted_until == pytest.approx(109.8)
    candidacy.heard(2, leading(1, 5.0), 101.2)
    assert candidacy.trusted_until == pytest.approx(106.0)
    candidacy.heard(2, leading(1, None), 101.3)
    assert not candidacy.held(101.3)


def test_under_release_no_trust_is_no_trust_before_the_first_heartbeat_too() -> None:
    candidacy = elected(keep=False)
    candidacy.heard(1, jeopardy(1), 101.0)
    assert goes_to(candidacy, 1, 2, 101.0)
    candidacy.heard(2, leading(0, 0.0), 101.1)
    assert not candidacy.held(101.1)


def test_a_win_under_release_is_not_believed_before_the_first_heartbeat_is_answered() -> None:
    candidacy = entered(keep=False)
    candidacy.heard(1, leading(0, None), 100.1)
    assert not candidacy.held(100.1)
    candidacy.heard(1, leading(1), 100.2)
    assert candidacy.held(100.2)


def test_a_release_term_is_over_when_its_stream_breaks_before_the_next_one_has_it() -> None:
    candidacy = elected(keep=False)
    candidacy.heard(1, jeopardy(1), 101.0)
    assert goes_to(candidacy, 1, 2, 101.0)
    candidacy.ended(1, "UNAVAILABLE", "", 101.1)
    assert not candidacy.held(101.1)
    assert candidacy.reason == DISCONNECTED


@pytest.mark.parametrize(
    ("status", "reason"), [("ABORTED", "SUPERSEDED"), ("UNAVAILABLE", DRAINING)]
)
def test_a_release_term_that_moves_is_not_over(status: str, reason: str) -> None:
    candidacy = elected(keep=False)
    candidacy.heard(1, jeopardy(1), 101.0)
    assert goes_to(candidacy, 1, 2, 101.0)
    candidacy.ended(1, status, reason, 101.1)
    assert candidacy.held(101.1)


def test_a_release_term_that_has_moved_needs_its_older_stream_no_longer() -> None:
    candidacy = elected(keep=False)
    candidacy.heard(1, jeopardy(1), 101.0)
    assert goes_to(candidacy, 1, 2, 101.0)
    assert candidacy.next(101.0) == Beat(1)
    candidacy.heard(2, leading(1), 101.2)
    candidacy.ended(1, "CANCELLED", "", 101.3)
    assert candidacy.held(101.3)
