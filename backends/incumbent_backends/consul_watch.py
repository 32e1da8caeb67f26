"""The eyes of a gateway on a Consul: one blocking query for the whole namespace, one task.

Behind it, every second, the leader is asked for the namespace's index, and is to make sure that it
leads: a blocking query can stay silent for minutes. What is read is compared with what was told
last, never with a high-water mark. An index that goes back has the namespace read anew.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping

from incumbent_backends.api import BackendError, Snapshot, Synced
from incumbent_backends.audience import Audience
from incumbent_backends.consul_entry import Entry
from incumbent_backends.consul_http import Pool
from incumbent_backends.consul_picture import Picture
from incumbent_backends.consul_space import Space, Tree

# The pace below is by the process's own clock, not the injected one: no promise hangs on it, and
# what stands still for a test is to be looked at all the same.
# Seconds of one blocking query. Consul counts one that was given up as a connection for so long.
WAIT = 10.0
POLL = 1.0  # between two questions for the index
DOUBTFUL = 0.05  # to the next query, after one that brought what is older than known
REST = 0.002  # from a change to the next query: so many changes are one,
REST_A_KEY = 1e-5  # and more where there is more to read each time
ANSWERED = 0.02  # what a verb has answered here is usually pushed within this time
SWEEP = 10.0  # vacant keys stay this long
AGAIN = 0.25  # after an error


class ConsulWatch:
    """The task. It runs from start() to close(), watched or not: renewals use its picture."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._picture: Picture | None = None  # while it follows
        self._wake = asyncio.Event()
        self._audience = Audience(self._wake.set)
        self._answered: list[Snapshot] = []  # what verbs here have told
        self._vacant: Mapping[str, Entry] = {}  # at the last sweep
        self._sweep_at = 0.0
        self._look_at = 0.0
        self._query: asyncio.Task[Tree] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._serve())

    def picture(self, index: int) -> Mapping[str, Entry] | None:
        """The namespace as it was at this index of its last change, if it is known here."""
        if self._picture is None or self._picture.index != index:
            return None
        return self._picture.entries

    def answered(self, snapshot: Snapshot) -> None:
        """A verb has told its caller this: the watch must tell it, or what became of it."""
        self._answered.append(snapshot)
        self._wake.set()

    async def close(self) -> None:
        """End the task, and every watch with it."""
        self._audience.close()
        self._fail("this gateway has closed its store")
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def watch(self) -> AsyncGenerator[Snapshot | Synced, None]:
        """See Backend.watch."""
        return self._audience.watch()

    async def _serve(self) -> None:
        while True:
            try:
                await self._follow()
            except BackendError as error:
                self._fail(str(error))
            except Exception as error:  # noqa: BLE001 an answer that no Consul could have given
                self._fail(f"cannot read what Consul answers: {error!r}")
            await asyncio.sleep(AGAIN)

    async def _follow(self) -> None:
        """Follow the namespace into one picture, until something fails."""
        picture = Picture()
        try:
            self._audience.tell(picture.update(await self._space.tree(Pool.WATCH)))
            self._picture = picture
            while True:
                if self._query is None:
                    self._query = asyncio.create_task(
                        self._space.change(picture.entries, picture.index, WAIT)
                    )
                await self._pause(self._query)
                sure = True
                if self._query.done():
                    sure, self._query = self._take(picture, self._query.result()), None
                answered, self._answered = self._answered, []
                picture.owe(answered)
                if not sure or picture.owes or self._audience.newcomers or self._look_is_due:
                    await self._confirm(picture)
                rest = REST + len(picture.entries) * REST_A_KEY
                await asyncio.sleep(rest if sure else DOUBTFUL)
                if time.monotonic() >= self._sweep_at:
                    await self._sweep(picture)
        finally:
            self._picture = None
            await self._end_query()

    def _take(self, picture: Picture, tree: Tree) -> bool:
        """Take in what the blocking query has brought, if it is no older than the picture."""
        if tree.at < max(picture.index, 1):
            return False  # a look was faster, or the index has gone back
        self._audience.tell(picture.update(tree))
        return True

    @property
    def _look_is_due(self) -> bool:
        return time.monotonic() >= self._look_at

    async def _confirm(self, picture: Picture) -> None:
        """Ask the leader whether the picture is complete; read all anew if it is not."""
        newcomers = list(self._audience.newcomers)
        if await self._space.index(Pool.WATCH) != picture.index:
            awaited = picture.index
            self._audience.tell(picture.update(await self._space.tree(Pool.WATCH, picture.entries)))
            if picture.index < awaited:
                await self._end_query()  # it waits for an index that may not come for long
        else:
            self._audience.tell(picture.confirmed())
        self._look_at = time.monotonic() + POLL
        self._audience.welcome(newcomers, picture.all_led())

    async def _end_query(self) -> None:
        query, self._query = self._query, None
        if query is not None:
            await self._space.agent.cut(Pool.QUERY)
            query.cancel()
            await asyncio.gather(query, return_exceptions=True)

    async def _sweep(self, picture: Picture) -> None:
        """Forget the keys that were vacant at the same index the last time."""
        vacant = picture.vacant()
        old = [entry for name, entry in vacant.items() if self._vacant.get(name) == entry]
        self._vacant = vacant
        self._sweep_at = time.monotonic() + SWEEP
        if old:
            await self._space.forget(old)

    async def _pause(self, query: "asyncio.Task[Tree]") -> None:
        """Await what the query brings, a word from here, or the time of the next look."""
        query.add_done_callback(lambda _: self._wake.set())
        try:
            async with asyncio.timeout(max(0.0, self._look_at - time.monotonic())):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()
        if self._answered and not query.done():
            await asyncio.wait({query}, timeout=ANSWERED)

    def _fail(self, error: str) -> None:
        self._answered.clear()  # whoever watches next is told all there is
        self._audience.dismiss(error)
