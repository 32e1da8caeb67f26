"""What a candidate is told: its whole present state, made when it is sent. It changes nothing."""

from typing import TYPE_CHECKING

from incumbent_server.candidacy import Candidacy, Seat, State, View
from incumbent_server.reasons import Reason
from incumbent_server.session import Session, Standing

if TYPE_CHECKING:
    from incumbent_server.ballot import Ballot


def view(ballot: "Ballot", candidacy: Candidacy, session: Session, now: float) -> View | None:
    """Tell a candidate's whole present state; None while the store has not decided yet."""
    seat = ballot.seat
    if seat is not None and candidacy is seat.candidacy:
        if candidacy.parting:
            return lost(candidacy, Reason.GATEWAY_DRAINING, seat)
        return None if seat.unconfirmed else _leading(seat, session, now)
    if candidacy.holder in ballot.arriving or candidacy.leaving or candidacy.entry.no_wait:
        return None
    return View(
        State.WAITING,
        ballot.known,
        position=ballot.queue.position(candidacy),
        sequence=candidacy.sequence,
    )


def lost(candidacy: Candidacy, reason: Reason, seat: Seat | None = None) -> View:
    """Tell that it is over; `seat` is what the candidate led with."""
    return View(State.LOST, seat.term if seat else None, sequence=candidacy.sequence, reason=reason)


def _leading(seat: Seat, session: Session, now: float) -> View:
    candidacy = seat.candidacy
    sound = session.standing(now) is Standing.SOUND
    trust = session.trust(candidacy.counted, candidacy.entry.ttl) if candidacy.timed else None
    state = State.LEADING if sound else State.JEOPARDY
    return View(state, seat.term, sequence=candidacy.sequence, trust=trust)
