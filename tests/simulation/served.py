"""The gateway's end of one stream: what `incumbent_server.streams` does, without gRPC."""

from typing import TYPE_CHECKING

from incumbent_server.campaign import Campaign
from incumbent_server.candidacy import State, View
from incumbent_server.elector import Elector
from incumbent_server.reasons import Reason, Refused
from tests.simulation.messages import (
    Enter,
    Heartbeat,
    Over,
    Present,
    Proclaim,
    Resign,
    UnaryResign,
)
from tests.simulation.network import Stream
from tests.simulation.promises import Attendance

if TYPE_CHECKING:
    from tests.simulation.gateway import Gateway


class Served:
    def __init__(self, gateway: "Gateway", stream: Stream) -> None:
        self._gateway, self._stream, self._down = gateway, stream, stream.down
        self._loop = gateway.loop
        self._campaign: Campaign | None = None
        self._over = self._pending = False
        self.election = self.holder = ""
        self.ttl = 0.0
        self.ticket = 0  # its place in the order of arrival
        self.attendance = Attendance(self._loop.time())

    @property
    def unread(self) -> int:
        """Messages of its client that arrived, on this stream or another, and were not read yet."""
        streams = self._gateway.network.streams(self._gateway.process)
        return sum(each.up.unread for each in streams if each.client is self._stream.client)

    def waits_in(self, election: str) -> bool:
        """Whether it is told that it waits."""
        if self.election != election or self._campaign is None or self._over:
            return False
        view = self._campaign.view()
        return view is not None and view.state is State.WAITING

    def receive(self, message: object) -> None:
        if self._over:
            return
        elector = self._gateway.elector
        self.attendance.heard(self._loop.time())
        match message:
            case Enter() | UnaryResign() if elector is None:
                self._finish(Over(Reason.BACKEND_UNAVAILABLE))
            case Enter() if elector is not None:
                self._enter(elector, message)
            case UnaryResign(election, holder) if elector is not None:
                self._gateway.process.start(self._resign(elector, election, holder))
            case Heartbeat(sequence) if self._campaign is not None:
                self._heartbeat(self._campaign, sequence)
            case Proclaim(value) if self._campaign is not None:
                self._proclaim(self._campaign, value)
            case Resign() if self._campaign is not None:
                self._campaign.resign()

    def broken(self) -> None:
        self._gateway.forget(self)
        if not self._over:
            self._over = True
            if self._campaign is not None:
                self._campaign.broken()

    def _enter(self, elector: Elector, message: Enter) -> None:
        entry = message.entry
        self.election, self.holder, self.ttl = message.election, entry.holder, entry.ttl
        self.attendance = Attendance(self._loop.time())  # it was on its way until now
        self._campaign = elector.campaign(message.election, entry, self._changed)
        candidacy = self._campaign._candidacy
        self.ticket = 0 if candidacy is None else candidacy.ticket
        self._changed()

    def _heartbeat(self, campaign: Campaign, sequence: int) -> None:
        answer = campaign.heartbeat(sequence)
        if answer is None:
            self._changed()
            return
        view = View(State.LEADING, answer.term, sequence=sequence, trust=answer.trust)
        self._tell(view, answer.next_heartbeat_in)

    def _proclaim(self, campaign: Campaign, value: bytes) -> None:
        try:
            campaign.proclaim(value)
        except Refused as refused:
            self._finish(Over(refused.reason))
            campaign.broken()

    async def _resign(self, elector: Elector, election: str, holder: str) -> None:
        try:
            term = await elector.resign(election, holder)
        except Refused as refused:
            self._finish(Over(refused.reason))
        else:
            self._finish(Over(None, term=term))

    def _changed(self) -> None:
        if not self._pending:
            self._pending = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        self._pending = False
        campaign = self._campaign
        if self._over or campaign is None:
            return
        if campaign.ending is not None:
            end = campaign.ending
            self._finish(Over(end.reason, end.view, end.term))
            return
        view = campaign.view()
        if view is not None:
            self._tell(view, campaign.next_heartbeat_in())

    def _tell(self, view: View, next_heartbeat_in: float) -> None:
        self._gateway.promises.told(view)
        self._down.send(Present(view, next_heartbeat_in))

    def _finish(self, over: Over) -> None:
        self._loop.call_soon(self._gateway.forget, self)  # once it was judged how it ended
        self._over = True
        if over.reason is None:
            self._gateway.promises.resigned(over.term)
        self._down.send(over)
