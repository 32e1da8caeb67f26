"""From wanting a term to leading it: campaigns, one after the other, until one leads."""

import asyncio
from collections.abc import Callable

from incumbent._campaign import Campaign
from incumbent._channels import Channels
from incumbent._failure import unavailable
from incumbent._plan import Plan
from incumbent._state import UNREACHABLE
from incumbent._target import Target
from incumbent.errors import CampaignTimeout, HeldByAnother, NotElected

PAUSE = 0.05  # seconds between two campaigns
FINAL = {
    "RESIGNED": "was withdrawn from outside",
    "SUPERSEDED": "was taken over: its credential is in use elsewhere",
}


class Bid:
    """One term that somebody wants. Lives on the client's own thread."""

    def __init__(self, plan: Plan, on_over: Callable[[], None]) -> None:
        self.plan = plan
        self.on_over = on_over  # called once what it won is over
        self.campaign: Campaign | None = None  # the latest; the one that leads, once elected
        self._electing: asyncio.Task[None] | None = None

    async def elect(self, channels: Channels, target: Target) -> Campaign:
        """Return a campaign that leads. Raises NotElected, Unavailable or Refused."""
        self._electing = asyncio.create_task(self._elect(channels, target))
        try:
            await asyncio.wait_for(self._electing, self.plan.timeout)
        except TimeoutError:
            await self.leave()
            raise CampaignTimeout(
                f"election {self.plan.election!r}: not elected in {self.plan.timeout:g} s"
            ) from None
        except BaseException:
            await self.leave()
            raise
        assert self.campaign is not None
        self.campaign.when_over(self.on_over)
        return self.campaign

    async def _elect(self, channels: Channels, target: Target) -> None:
        while True:
            self.campaign = Campaign(self.plan, channels, target)
            await self.campaign.settled()
            if not self.campaign.over:
                return
            self._check(self.campaign, target)
            await asyncio.sleep(PAUSE)

    def _check(self, campaign: Campaign, target: Target) -> None:
        """Raise unless another campaign may do better: a term was won, and over before it began."""
        name, reason = self.plan.election, campaign.reason
        if campaign.refused:
            how = next(reversed(campaign.said.values()))
            if reason == "HELD_BY_ANOTHER":
                raise HeldByAnother(str(how), reason)
            raise how.to_error()
        if reason == UNREACHABLE:
            raise unavailable(target.timeout, campaign.said)
        if reason in FINAL:
            raise NotElected(f"election {name!r}: this candidate {FINAL[reason]}", reason)

    def drop(self) -> None:
        """Believe no longer: nobody is there any more who could renew it, or resign."""
        if self.campaign is not None:
            self.campaign.drop()
        self.on_over()

    async def leave(self) -> None:
        """Resign, or withdraw. Idempotent; whoever calls second waits for the same end."""
        if self._electing is not None and not self._electing.done():
            self._electing.cancel()
        if self.campaign is not None:
            await self.campaign.leave()
