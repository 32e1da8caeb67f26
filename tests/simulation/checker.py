"""The laws that every history must keep (their numbers are those of the design's list)."""

from collections import defaultdict
from collections.abc import Iterator

from tests.simulation.history import Belief, Event, History

VACANCY = 3.0  # seconds that an election with candidates may stay vacant when nothing is wrong
GIVEN = ("granted", "moved", "updated")
GRAIN = 1e-6


def check(history: History) -> list[str]:
    laws = (_tokens, _beliefs, _trust, _register, _observers, _resigns, _vacancies, _told)
    return [violation for law in laws for violation in law(history)]


def _tokens(history: History) -> Iterator[str]:
    """1: tokens strictly increase in the order of grants."""
    highest: dict[str, int] = defaultdict(int)
    for event in history.events:
        if event.what == "granted":
            if event.token <= highest[event.election]:
                yield f"1 token went back: {event}"
            highest[event.election] = event.token


def _guarded(history: History) -> dict[str, list[Belief]]:
    by_election: dict[str, list[Belief]] = defaultdict(list)
    for belief in sorted(history.beliefs, key=lambda each: (each.begin, each.token)):
        if belief.guarded and belief.token not in history.by_hand:
            by_election[belief.election].append(belief)
    return by_election


def _beliefs(history: History) -> Iterator[str]:
    """2: no two clients believe at one time."""
    for beliefs in _guarded(history).values():
        latest: Belief | None = None
        for belief in beliefs:
            if latest is not None and belief.begin < latest.end - GRAIN:
                yield f"2 two believers: {latest} and {belief}"
            if latest is None or belief.end > latest.end:
                latest = belief


def _trust(history: History) -> Iterator[str]:
    """2, stronger: nobody believes under a token that the store holds no longer."""
    ended = {event.token: event.at for event in history.events if event.what == "ended"}
    for beliefs in _guarded(history).values():
        for belief in beliefs:
            if belief.end > ended.get(belief.token, belief.end) + GRAIN:
                yield f"2 trust outlived the term, ended {ended[belief.token]:.4f}: {belief}"


def _register(history: History) -> Iterator[str]:
    """3: no write of an ended term after one of a newer; one token, one writer."""
    highest: dict[str, int] = defaultdict(int)
    writers: dict[tuple[str, int], str] = {}
    for event in history.events:
        if event.who != "register":
            continue
        if event.what == "takes" and event.token < highest[event.election]:
            yield f"3 stale write taken: {event}"
        if event.what == "takes":
            highest[event.election] = event.token
        if writers.setdefault((event.election, event.token), event.detail) != event.detail:
            yield f"3 two clients write under one token: {event}"


def _observers(history: History) -> Iterator[str]:
    """4: on one Observe stream tokens never go back."""
    highest: dict[tuple[str, str], int] = defaultdict(int)
    for event in history.events:
        if event.what == "starts":
            for key in [key for key in highest if key[0] == f"{event.who} eye"]:
                del highest[key]
        if event.what == "sees" and event.token:
            key = (event.who, event.election)
            if event.token < highest[key]:
                yield f"4 an observer's token went back from #{highest[key]}: {event}"
            highest[key] = event.token


def _resigns(history: History) -> Iterator[str]:
    """5: after an acknowledged resign nothing succeeds under that token."""
    resigned: dict[int, Event] = {}
    ended: set[int] = set()
    for event in history.events:
        if event.what == "ended":
            ended.add(event.token)
        elif event.what == "resigned":
            resigned[event.token] = event
            if event.token not in ended:
                yield f"5 acknowledged, but the store still holds it: {event}"
        elif event.token in resigned and event.what in (*GIVEN, "leads"):
            yield f"5 after {resigned[event.token]} came {event}"


def _vacancies(history: History) -> Iterator[str]:
    """7: when all is well, no election with candidates stays vacant for long."""
    times = {event.what: event.at for event in history.events if event.who == "scenario"}
    begin, end = times.get("settled", 0.0), times.get("finishing", 0.0)
    elections = {event.election for event in history.events if event.what == "enters"}
    for election in sorted(elections):
        free: float | None = 0.0
        spans = []
        for event in history.events:
            if event.election != election or event.who != "store":
                continue
            if event.what == "granted" and free is not None:
                spans.append((free, event.at))
                free = None
            elif event.what == "ended":
                free = event.at
        if free is not None:
            spans.append((free, end))
        for since, until in spans:
            if min(until, end) - max(since, begin) > VACANCY:
                yield f"7 {election} was vacant from {since:.3f} to {until:.3f}"


def _told(history: History) -> Iterator[str]:
    """What a client or the store noticed by itself."""
    for event in history.events:
        if event.what in ("VIOLATION", "OVERWROTE"):
            yield str(event)
