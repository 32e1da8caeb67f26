"""What a renewal may end while bids and other renewals are under way."""

from incumbent_backends.api import Claim
from incumbent_backends.under_way import UnderWay

OLD, NEW = Claim("old", 1), Claim("new", 2)


def test_what_is_gained_during_a_renewal_is_spared_by_it() -> None:
    under_way = UnderWay()
    with under_way.renewing() as mark:
        with under_way.bidding("new"):
            assert under_way.orphans({OLD, NEW}, [], mark) == {OLD}
        assert under_way.orphans({OLD, NEW}, [], mark) == {OLD}
    with under_way.renewing() as mark:
        assert under_way.orphans({OLD, NEW}, [], mark) == {OLD, NEW}


def test_what_the_core_marks_is_spared() -> None:
    under_way = UnderWay()
    with under_way.renewing() as mark:
        assert under_way.orphans({OLD, NEW}, [Claim("new", None)], mark) == {OLD}
        assert under_way.orphans({OLD, NEW}, [NEW], mark) == {OLD}


def test_a_later_renewal_takes_nothing_from_an_earlier_one() -> None:
    """The earlier one has not looked yet, and must still know what was gained after it began."""
    under_way = UnderWay()
    with under_way.renewing() as first:
        with under_way.bidding("new"):
            pass
        with under_way.renewing() as second:
            assert under_way.orphans({OLD, NEW}, [NEW], second) == {OLD}
        assert under_way.orphans({OLD, NEW}, [], first) == {OLD}


def test_nothing_is_remembered_for_ever() -> None:
    under_way = UnderWay()
    for n in range(100):
        with under_way.bidding(f"e/{n}"):
            pass
        with under_way.renewing():
            pass
    assert not under_way._gained
