"""The client for asyncio. Its twin is _sync.py: same names, signatures and docstrings."""

import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Self

from incumbent._async_term import AsyncTerm, wait
from incumbent._calls import Calls
from incumbent._engine import Engine
from incumbent._plan import DEFAULT_TTL, to_plan, to_scope
from incumbent._target import DEFAULT, to_target
from incumbent.values import (
    Backend,
    Election,
    Leader,
    Observation,
    OnDisconnect,
    Tls,
    Trust,
    Verification,
)


class AsyncClient:
    """The gateways of one store, as a program sees them. For any number of threads.

    Args:
        gateways: `HOST:PORT`, several of them with commas between, or a sequence of them. All serve
            the same store; a term moves to another one when its gateway fails.
        tls: How to speak TLS; None speaks plaintext.
        plaintext: Allow plaintext to other hosts than this one.
        token: What to present as `authorization: Bearer …`, or what gives it at each call.
        timeout: Seconds without an answer of any gateway after which a call, or a campaign that
            does not lead yet, raises Unavailable; None goes on trying.

    Nothing is opened before the first call. `close`, or the end of the block, resigns what is still
    led.

    Example:
        >>> async with incumbent.AsyncClient(address, timeout=5) as client:
        ...     print(await client.leader("docs/nobody"))
        None

    """

    def __init__(
        self,
        gateways: str | Sequence[str] = DEFAULT,
        *,
        tls: Tls | None = None,
        plaintext: bool = False,
        token: str | Callable[[], str] | None = None,
        timeout: float | timedelta | None = 10.0,
    ) -> None:
        """Check the arguments. Raises ValueError."""
        target = to_target(gateways, tls, plaintext, token, timeout)
        self._engine = Engine(target)
        weakref.finalize(self, self._engine.close, wait=False).atexit = False  # it has its own

    async def __aenter__(self) -> Self:
        """Give the client itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    async def close(self) -> None:
        """Resign every term, withdraw every candidate, close every connection. Idempotent.

        Example:
            >>> client = incumbent.AsyncClient(address)
            >>> await client.close()

        """
        self._engine.close(wait=False)
        await self._engine.closed()

    def campaign(
        self,
        election: str,
        *,
        candidate: str = "",
        value: bytes | None = None,
        ttl: float | timedelta = DEFAULT_TTL,
        no_wait: bool = False,
        on_disconnect: OnDisconnect = OnDisconnect.KEEP,
        timeout: float | timedelta | None = None,
        on_trust: Callable[[Trust], None] | None = None,
    ) -> AsyncTerm:
        """Make a term to be entered; entering it is what campaigns.

        Args:
            election: The name, 1 to 8 segments of `[A-Za-z0-9._-]{1,63}` joined by `/`.
            candidate: A label for people, 128 characters at most; empty: the gateway makes one.
            value: What to proclaim, such as an address: 4,096 bytes at most.
            ttl: How long the gateway bears this process's silence, 1 s to 1 h.
            no_wait: Lead now, or raise HeldByAnother.
            on_disconnect: What becomes of the term when the connection breaks.
            timeout: Seconds after which entering raises CampaignTimeout; None waits.
            on_trust: Told every change of trust on the client's own thread: it has to return soon.

        Example:
            >>> async with client.campaign("docs/campaign", value=b"10.0.0.7:80") as term:
            ...     print(term.held, term.value)
            True b'10.0.0.7:80'

        """
        plan = to_plan(election, candidate, value, ttl, no_wait, on_disconnect, timeout, on_trust)
        return AsyncTerm(self, self._engine, plan)

    async def terms(
        self,
        election: str,
        *,
        candidate: str = "",
        value: bytes | None = None,
        ttl: float | timedelta = DEFAULT_TTL,
        on_disconnect: OnDisconnect = OnDisconnect.KEEP,
        on_trust: Callable[[Trust], None] | None = None,
    ) -> AsyncIterator[AsyncTerm]:
        """Lead again and again: each item leads already, and is left before the next campaign.

        Use each with its own `with term:`. Arguments as for `campaign`.

        Example:
            >>> async for term in client.terms("docs/terms"):
            ...     async with term:
            ...         print(term.held)
            ...         break
            True

        """
        plan = to_plan(election, candidate, value, ttl, False, on_disconnect, None, on_trust)
        while True:
            term = AsyncTerm(self, self._engine, plan)
            await term.win()
            try:
                yield term
            finally:
                await term.leave()

    async def observe(
        self, election: str | None = None, *, prefix: str | None = None
    ) -> AsyncIterator[Observation]:
        """Follow who leads: first the whole state, then one message with `synced`, then changes.

        Of one election, of all below a prefix that ends at a `/`, or of all. A vacancy is told as
        `leader` None. Goes on from gateway to gateway; tokens of an election never go back. Raises
        Unavailable, Refused, ValueError.

        Example:
            >>> async for seen in client.observe("docs/nobody"):
            ...     print(seen.leader, seen.synced)
            ...     if seen.synced:
            ...         break
            None False
            None True

        """
        stream = self._engine.observe(*to_scope(election, prefix))
        try:
            while True:
                yield await wait(stream.next())
        finally:
            stream.close()

    async def leader(self, election: str) -> Leader | None:
        """Read from the store who leads; None: the election is vacant.

        Example:
            >>> async with client.campaign("docs/leader", candidate="node-a"):
            ...     print((await client.leader("docs/leader")).candidate)
            node-a

        """
        return await wait(self._engine.call(lambda calls: calls.leader(election)))

    async def verify(self, election: str, token: int) -> Verification:
        """Read from the store whether a token is that of the present term.

        Example:
            >>> bool(await client.verify("docs/nobody", 7))
            False

        """
        return await wait(self._engine.call(lambda calls: calls.verify(election, token)))

    async def resign(self, election: str, credential: str) -> Leader | None:
        """End the term, or the wait, of another process by its credential.

        Returns the term that ended, None for a candidate that waited. Raises Refused with reason
        NOT_LEADER where the credential neither leads nor waits.

        Example:
            >>> try:
            ...     async with client.campaign("docs/resign") as term:
            ...         await client.resign("docs/resign", term.credential)
            ...         await asyncio.sleep(5)
            ... except incumbent.LeadershipLost as error:
            ...     print(error.reason)
            RESIGNED

        """
        return await wait(self._engine.call(lambda calls: calls.resign(election, credential)))

    async def elections(self, prefix: str = "") -> AsyncIterator[Election]:
        """List the elections that are led or contended, by name; `prefix` ends at a `/`.

        Example:
            >>> async with client.campaign("docs/list/a"):
            ...     print([each.election async for each in client.elections("docs/list/")])
            ['docs/list/a']

        """
        after: str | None = ""
        while after is not None:
            page, after = await wait(
                self._engine.call(partial(Calls.page, prefix=prefix, after=after))
            )
            for each in page:
                yield each

    async def backend(self) -> Backend:
        """Tell what the store is, and what it promises.

        Example:
            >>> (await client.backend()).kind
            'sqlite'

        """
        return await wait(self._engine.call(lambda calls: calls.backend()))
