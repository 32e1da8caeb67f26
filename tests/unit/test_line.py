"""The line: first come first served, at any length, the silent passed over."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from incumbent_server.candidacy import Candidacy, Entry
from incumbent_server.line import TOLD, Line


def candidacy(number: int, *, keep: bool = False, heard: float = 0.0) -> Candidacy:
    entry = Entry(f"{number:064x}", 1, f"c{number}", None, 9.0, keep)
    return Candidacy(entry, f"stream {number}", heard)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=60))
def test_positions_are_those_of_a_plain_list(moves: list[tuple[bool, int]]) -> None:
    line, model = Line(), list[Candidacy]()
    people = [candidacy(number) for number in range(10)]
    for joins, number in moves:
        person = people[number]
        if joins and person not in model:
            line.join(person)
            model.append(person)
        elif not joins:
            line.leave(person)
            model = [each for each in model if each is not person]
        assert [line.position(each) for each in model] == list(range(1, len(model) + 1))
        assert list(line) == model
        assert len(line) == len(model)
        assert line.head(0.0, 15.0) is (model[0] if model else None)


def test_the_silent_and_the_disconnected_are_passed_over_and_keep_their_place() -> None:
    line = Line()
    silent, gone, present = candidacy(1, keep=True), candidacy(2), candidacy(3)
    gone.stream = None
    for each in (silent, gone, present):
        line.join(each)
    two_intervals = 2 * 9.0 / 3
    assert line.head(two_intervals, 15.0) is silent
    assert line.head(two_intervals + 0.1, 15.0) is present
    assert [line.position(each) for each in (silent, gone, present)] == [1, 2, 3]
    silent.heard = two_intervals
    assert line.head(two_intervals + 0.1, 15.0) is silent


def test_a_short_backend_ttl_shortens_the_patience_with_who_waits() -> None:
    line, silent = Line(), candidacy(1, keep=True)
    line.join(silent)
    assert line.head(2.0, 3.0) is silent
    assert line.head(2.1, 3.0) is None


def test_who_moves_up_is_told_as_far_as_the_first_places_go() -> None:
    line = Line()
    people = [candidacy(number) for number in range(TOLD + 10)]
    for each in people:
        line.join(each)
    assert line.leave(people[-1]) == []
    assert line.leave(people[1]) == people[2 : TOLD + 1]
    assert line.leave(people[1]) == []


def test_it_knows_whether_somebody_will_not_wait() -> None:
    line, person = Line(), candidacy(1)
    known: list[bool] = []
    line.join(person)
    known.append(line.hasty)
    person.entry = replace(person.entry, no_wait=True)
    line.note(person)
    known.append(line.hasty)
    line.leave(person)
    known.append(line.hasty)
    line.note(person)
    assert [*known, line.hasty] == [False, True, False, False]
