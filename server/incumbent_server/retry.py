"""Trying again: one policy for everything that asks the store."""

from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from incumbent_backends.api import BackendError, Unavailable
from incumbent_server.clock import World

P = ParamSpec("P")
T = TypeVar("T")


class Retry:
    """Repeat an unanswered call for ever, waiting up to `cap` seconds with full jitter between."""

    def __init__(self, world: World, *, base: float = 0.02, cap: float = 0.5) -> None:
        self._world, self._base, self._cap = world, base, cap

    async def unavailable(
        self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Repeat while the outcome is unknown; Rejected passes through."""
        return await self._retrying(Unavailable)(call, *args, **kwargs)

    async def anything(
        self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Repeat also what the store rejected: somebody may mend it there."""
        return await self._retrying(BackendError)(call, *args, **kwargs)

    def _retrying(self, error: type[Exception]) -> AsyncRetrying:
        return AsyncRetrying(
            sleep=self._world.sleep,
            wait=self._pause,
            retry=retry_if_exception_type(error),
            reraise=True,
        )

    def _pause(self, state: RetryCallState) -> float:
        ceiling = min(self._cap, self._base * 2 ** min(state.attempt_number, 16))
        return self._world.uniform(ceiling / 4, ceiling)
