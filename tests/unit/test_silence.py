"""Silence is judged when it is due, and after a stall only once a quiet read round has passed."""

from incumbent_server.silence import HELD_UP, PULSE, READ_ROUND, Silence


def looked(silence: Silence, now: float) -> list[str]:
    """Look at the clock once, and plan the next look."""
    due = list(silence.due(now))
    silence.plan(now)
    return due


def test_an_election_is_due_at_its_instant_and_only_once() -> None:
    silence = Silence(0.0)
    silence.expect("a", 0.03)
    assert looked(silence, 0.0) == []
    assert looked(silence, 0.03) == ["a"]
    assert looked(silence, 0.06) == []


def test_the_earliest_of_several_instants_counts() -> None:
    silence = Silence(0.0)
    silence.expect("a", 0.04)
    silence.expect("a", 0.02)
    silence.expect("a", 0.03)
    assert looked(silence, 0.02) == ["a"]
    assert looked(silence, 0.04) == []


def test_the_next_look_is_a_pulse_away_or_sooner_when_something_is_due() -> None:
    silence = Silence(0.0)
    assert silence.plan(0.0) == PULSE
    assert silence.plan(0.0, 0.01, 9.0, -1.0) == 0.01
    silence.expect("a", 0.02)
    assert silence.plan(0.0) == 0.02


def test_after_a_stall_judgement_waits_for_a_quiet_read_round() -> None:
    silence = Silence(0.0)
    silence.expect("a", 1.0)
    silence.plan(0.0)
    stalled = 2.0
    assert looked(silence, stalled) == []
    now = stalled
    while now + PULSE < stalled + READ_ROUND:
        now += PULSE
        assert looked(silence, now) == []
    assert looked(silence, stalled + READ_ROUND) == ["a"]


def test_as_long_as_the_loop_lags_nobody_is_judged() -> None:
    silence = Silence(0.0)
    silence.expect("a", 1.0)
    silence.plan(0.0)
    now = 1.0
    for _ in range(20):
        assert looked(silence, now) == []
        now += PULSE + 2 * HELD_UP
    assert looked(silence, silence.plan(now)) == []


def test_a_stall_just_before_the_deadline_counts_too() -> None:
    silence = Silence(0.0)
    silence.plan(0.0)
    silence.expect("a", 2.001)
    assert looked(silence, 2.0) == []
    assert looked(silence, 2.01) == []
