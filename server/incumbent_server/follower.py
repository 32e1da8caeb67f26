"""The gateway's one watch of the store: who leads, as last told."""

from collections.abc import Callable
from contextlib import aclosing

from incumbent_backends.api import Backend, BackendError, Snapshot, Term
from incumbent_server.clock import World
from incumbent_server.retry import Retry
from incumbent_server.store import Witness


class Follower:
    """Follows one watch after the other; `learn` is called for each piece of news.

    Its last argument: whether the election was vacant since the leader told before, though the
    watch, which tells the latest state only, did not say so.

    `leaders` holds the led elections. Once `synced`, it was whole at least once; `whole` is called
    each time it is.
    """

    def __init__(
        self,
        backend: Backend,
        world: World,
        witness: Witness,
        learn: Callable[[str, Term | None, bool], None],
        whole: Callable[[], None],
    ) -> None:
        self.leaders: dict[str, Term] = {}
        self.synced = False
        self._backend = backend
        self._world = world
        self._witness = witness
        self._learn = learn
        self._whole = whole

    async def run(self) -> None:
        """Follow for ever."""
        retry = Retry(self._world)
        while True:
            await retry.anything(self._watch)

    async def _watch(self) -> None:
        """Follow one watch to its end; raises if it ended before the whole state was told."""
        unlisted, listing = dict.fromkeys(self.leaders), True
        try:
            async with aclosing(self._backend.watch()) as news:
                async for item in news:
                    if isinstance(item, Snapshot):
                        unlisted.pop(item.election, None)
                        self._tell(item.election, item.term)
                        continue
                    listing, self.synced = False, True
                    for election in unlisted:
                        self._tell(election, None)
                    self._whole()
        except BackendError as error:
            self._witness.trouble("watch", error, self._world.now())
            if listing:
                raise

    def _tell(self, election: str, term: Term | None) -> None:
        before = self.leaders.pop(election, None)
        if term is not None:
            self.leaders[election] = term
        vacated = before is not None and term is not None and before.token != term.token
        self._learn(election, term, vacated)
