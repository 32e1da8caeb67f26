"""The arithmetic of trust: what a gateway may promise of what the store confirmed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent_server.session import Session, Standing, margin

SESSION = Session("s", good_until=115.0, backend_ttl=15.0)  # confirmed at 100
TTLS = st.floats(1, 3600)


@pytest.mark.parametrize(("ttl", "seconds"), [(1, 0.05), (2.5, 0.05), (10, 0.2), (3600, 72)])
def test_margin_is_two_percent_but_never_below_50_ms(ttl: float, seconds: float) -> None:
    assert margin(ttl) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("now", "standing"),
    [
        (100.0, Standing.SOUND),
        (107.49, Standing.SOUND),
        (107.5, Standing.JEOPARDY),  # half a backend ttl without a confirmed renewal
        (114.39, Standing.JEOPARDY),
        (114.4, Standing.LOST),  # a margin before the last trust can end
        (1e9, Standing.LOST),
    ],
)
def test_standing(now: float, standing: Standing) -> None:
    assert SESSION.standing(now) is standing


def test_a_session_that_the_store_refuses_is_in_jeopardy_at_once() -> None:
    assert Session("s", 115.0, 15.0, refused=True).standing(100.0) is Standing.JEOPARDY
    assert Session("s", 115.0, 15.0, refused=True).standing(114.5) is Standing.LOST


def test_trust_is_capped_by_the_ttl_of_the_client() -> None:
    assert SESSION.trust(100.0, 2.0) == pytest.approx(1.95)


def test_trust_is_capped_by_what_the_store_confirmed_however_long_the_ttl() -> None:
    assert SESSION.trust(103.0, 3600.0) == pytest.approx(15 - 0.3 - 3)


def test_trust_is_never_negative() -> None:
    assert SESSION.trust(114.9, 10.0) == 0.0


@given(heard=st.floats(0, 100), ttl=TTLS, backend_ttl=TTLS)
def test_loss_is_told_before_any_trust_ends_that_the_session_limits(
    heard: float, ttl: float, backend_ttl: float
) -> None:
    session = Session("s", 100 + backend_ttl, backend_ttl)
    last = session.good_until - margin(backend_ttl)
    assert heard + session.trust(heard, ttl) <= last + 1e-9 or session.trust(heard, ttl) == 0
    assert session.lost_at < last
    assert session.jeopardy_at < session.lost_at


@given(ttl=TTLS, backend_ttl=TTLS, drift=st.floats(-0.01, 0.01), other=st.floats(-0.01, 0.01))
def test_clocks_within_one_percent_keep_every_promise(
    ttl: float, backend_ttl: float, drift: float, other: float
) -> None:
    """True seconds: the client stops before its gateway ends the term, and before the store may."""
    session = Session("s", backend_ttl, backend_ttl)
    believed = session.trust(0.0, ttl) / (1 + drift)
    assert believed < ttl / (1 + other)
    assert believed < backend_ttl * 1.02 / (1 + other)
