"""When the guard of `incumbent run` asks COMMAND to end and when it kills, under a fake clock."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from incumbent._cli.guard.plan import LEAD, Cause, Order, Plan

durations = st.floats(0.01, 3600)
NEVER = 10**6


def plan(until: float = 10.0, grace: float = 10.0, now: float = 0.0) -> Plan:
    return Plan.given(until, grace, now)


def test_nothing_is_sent_while_trust_is_renewed_as_it_should_be() -> None:
    now, kept = 0.0, plan(until=9.8)
    for _ in range(50):
        for step in range(40):
            assert kept.order(now + step / 10) is Order.NOTHING
        now += 4.0  # the client heartbeats each third of it, and looks elsewhere a third later
        kept = kept.renewed(now + 9.8, now)


def test_silence_brings_term_when_a_third_is_left_and_kill_a_margin_before_the_end() -> None:
    silent = plan(until=9.0)
    margin = 9.0 / 20
    assert silent.order(9 - 3 - margin - 0.01) is Order.NOTHING
    assert silent.order(9 - 3 - margin + 0.01) is Order.TERM
    assert silent.order(9 - margin - 0.01) is Order.TERM
    assert silent.order(9 - margin + 0.01) is Order.KILL
    assert silent.order(NEVER) is Order.KILL


def test_a_grace_shorter_than_a_third_of_the_trust_is_all_that_is_taken() -> None:
    hasty = plan(until=60.0, grace=1.0)
    assert hasty.order(58.49) is Order.NOTHING
    assert hasty.order(58.51) is Order.TERM
    assert hasty.order(59.51) is Order.KILL


def test_no_grace_is_kill_without_term() -> None:
    orders = {plan(grace=0.0).order(at / 100) for at in range(1_100)}
    assert orders == {Order.NOTHING, Order.KILL}


@pytest.mark.parametrize("at", [0.0, 3.0, 9.99, 11.0])
def test_trust_that_is_over_is_kill_at_once(at: float) -> None:
    assert plan().renewed(-math.inf, at).order(at) is Order.KILL


@pytest.mark.parametrize("cause", [Cause.ITSELF, Cause.ORPHANED])
def test_what_is_left_is_asked_at_once_and_killed_after_the_grace(cause: Cause) -> None:
    left = plan(until=100.0, grace=2.0).ending(cause, 1.0)
    assert left.order(1.0) is Order.TERM
    assert left.order(2.99) is Order.TERM
    assert left.order(3.0) is Order.KILL


def test_after_a_signal_heartbeats_go_on_but_the_grace_does_not_grow() -> None:
    asked = plan(until=10.0, grace=2.0).ending(Cause.SIGNAL, 5.0, ask=False)
    assert asked.order(5.0) is Order.NOTHING  # the signal itself was sent
    renewed = asked.renewed(16.0, 6.0).ending(Cause.SIGNAL, 6.5, ask=False)
    assert renewed.order(6.99) is Order.NOTHING
    assert renewed.order(7.0) is Order.KILL


def test_a_grace_longer_than_the_trust_ends_with_the_trust() -> None:
    asked = plan(until=10.0, grace=60.0).ending(Cause.SIGNAL, 1.0, ask=False)
    assert asked.order(9.4) is Order.TERM
    assert asked.order(9.51) is Order.KILL


def test_a_term_that_was_asked_to_end_is_not_saved_by_a_late_renewal() -> None:
    late = plan(until=9.0, grace=4.0)
    assert late.order(7.0) is Order.TERM
    saved = late.ending(Cause.TRUST, 7.0).renewed(16.0, 7.1)
    assert saved.order(10.9) is Order.TERM
    assert saved.order(11.0) is Order.KILL


def test_the_first_cause_is_the_cause() -> None:
    first = plan().ending(Cause.SIGNAL, 1.0, ask=False)
    assert first.ending(Cause.ITSELF, 2.0).cause is Cause.SIGNAL


def test_answers_of_a_gateway_whose_store_is_silent_do_not_put_term_off() -> None:
    """Each promises the same end of trust, but for the jitter of the way, and so less time."""
    silent = plan(until=9.0)
    for now in (3.0, 5.0, 5.5):
        silent = silent.renewed(9.0 + now / 1_000, now)
    assert silent.order(9 - 3 - 0.45 + 0.01) is Order.TERM


def test_a_gateway_that_promises_less_is_no_silence() -> None:
    """As after a move to one with a shorter backend ttl: less trust, renewed as steadily."""
    shorter = plan(until=15.0).renewed(9.0, 4.0)
    assert shorter.order(5.5) is Order.NOTHING
    assert shorter.renewed(10.7, 5.7).order(7.5) is Order.NOTHING


def test_the_next_instant_is_that_of_the_next_change() -> None:
    silent = plan(until=9.0)
    assert silent.order(silent.next_instant(0.0)) is Order.TERM
    assert silent.order(silent.next_instant(silent.term_at)) is Order.KILL
    assert silent.next_instant(silent.kill_at) == math.inf


@given(
    grace=durations,
    steps=st.lists(st.tuples(durations, durations, st.sampled_from([None, *Cause]))),
    late=durations,
)
def test_whatever_comes_killed_a_tenth_of_a_second_before_trust_ends(
    grace: float, steps: list[tuple[float, float, Cause | None]], late: float
) -> None:
    now = 0.0
    kept = plan(until=10.0, grace=grace)
    for after, trust, cause in steps:
        now += after
        kept = kept.renewed(now + trust, now)
        if cause is not None:
            kept = kept.ending(cause, now, ask=cause is not Cause.SIGNAL)
    assert kept.order(kept.until - 0.1) is Order.KILL
    assert kept.order(kept.until + late) is Order.KILL


@given(trust=st.floats(1, 3600), grace=st.floats(0.5, 3600), now=st.floats(0, 10**6))
def test_who_ignores_no_term_has_a_third_of_the_trust_or_the_grace(
    trust: float, grace: float, now: float
) -> None:
    kept = plan(until=now + trust, grace=grace, now=now)
    time = kept.kill_at - kept.term_at
    assume(math.isfinite(time))
    assert time == pytest.approx(min(grace, trust / LEAD), abs=1e-6)
    assert kept.term_at > now + trust / 2
