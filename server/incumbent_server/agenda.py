"""What a ballot asks of the store next. It reads the ballot and changes nothing.

In this order: end what is doomed; answer who arrives with a token; look after the seat; bid for
the head of the line; look where the picture may be wrong.
"""

from typing import TYPE_CHECKING

from incumbent_backends.api import Term
from incumbent_server.candidacy import Acquire, Op, Read, Release, Seat
from incumbent_server.session import Session, Standing

if TYPE_CHECKING:
    from incumbent_server.ballot import Ballot


def choose(ballot: "Ballot", now: float, session: Session) -> Op | None:
    """Choose the next operation; None while there is nothing to ask."""
    if (doomed := ballot.graves.doomed) is not None:
        if now >= ballot.graves.kept_until:
            return Release(doomed)
        return Read() if ballot.graves.elsewhere(ballot.known) else None
    for candidacy in ballot.arriving.values():
        return candidacy.acquire(candidacy.entry.resume, candidacy.entry.value)
    if ballot.seat is not None:
        return _for_seat(
            ballot.seat, doubt=ballot.picture.doubt or now >= ballot.picture.recheck_at
        )
    if ballot.picture.unsure and any(candidacy.leaving for candidacy in ballot.queue):
        return Read()
    return _own(ballot, session) or _bid(ballot, now, session) or _look(ballot, now)


def _for_seat(seat: Seat, *, doubt: bool) -> Op | None:
    if doubt:
        return Read()
    if seat.wanted is not None or seat.unconfirmed:
        return seat.candidacy.acquire(seat.term.token, seat.wanted)
    return None


def _own(ballot: "Ballot", session: Session) -> Acquire | None:
    """One of those who wait leads already: on this session that heals, elsewhere it moves here."""
    known = ballot.known
    waiting = ballot.queue.get(known.holder) if known is not None else None
    if known is None or waiting is None:
        return None
    if known.session == session.name:
        return waiting.acquire(None, waiting.entry.value)
    if ballot.moves_terms and not waiting.outdone_by(known):
        return waiting.acquire(known.token, waiting.entry.value)
    return None


def _bid(ballot: "Ballot", now: float, session: Session) -> Acquire | None:
    if ballot.draining or now < ballot.not_before or session.standing(now) is not Standing.SOUND:
        return None
    if ballot.known is not None and not ballot.queue.hasty:
        return None
    head = ballot.queue.head(now, ballot.backend_ttl)
    if head is None or (ballot.known is not None and not head.entry.no_wait):
        return None
    return head.acquire(None, head.entry.value)


def _look(ballot: "Ballot", now: float) -> Read | None:
    """Read for who resigned, after an unknown outcome, and a leader that the watch never told."""
    known: Term | None = ballot.known
    stale = known is not None and len(ballot.queue) > 0 and now >= ballot.picture.recheck_at
    return Read() if ballot.graves.unanswered or ballot.picture.unsure or stale else None
