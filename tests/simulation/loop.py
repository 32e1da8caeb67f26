"""A deterministic event loop in virtual time, and processes that can be frozen or killed on it.

Callbacks run in the order in which they were asked for, timers in the order of their instants; when
nothing is left to run, time jumps to the next timer. Nothing else moves it, so a run depends on
nothing but the program.

A `Process` is everything that was started from its context, tasks of tasks included. While it is
frozen none of its callbacks run: they pile up and run in order when it thaws, exactly as timers and
packets wait for a process that gets SIGSTOP. A killed one is frozen for good.
"""

import asyncio
from asyncio.events import _set_running_loop
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from itertools import count
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
LIVELOCK = 50_000  # turns at one instant: something spins

_process: ContextVar["Process"] = ContextVar("_process")


class Turn(list[Any]):
    """[callback, arguments, context] to run, a handle of asyncio's: a list is quick to make."""

    __slots__ = ()

    def cancel(self) -> None:
        self[0] = None
        self[1] = ()

    def cancelled(self) -> bool:
        return self[0] is None


class Process:
    """What is frozen, thawed and killed as one."""

    def __init__(self, loop: "SimLoop", name: str) -> None:
        self.loop = loop
        self.name = name
        self.frozen = False
        self.killed = False
        self.dead = False  # it was killed, and stays so when it is buried
        self._held: list[Turn] = []
        self.context = Context()
        self.context.run(_process.set, self)

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return self.loop.create_task(work, context=self.context)

    def call(self, callback: Callable[..., object], *args: object) -> None:
        """Run `callback` in this process, when it runs."""
        self.loop.call_soon(callback, *args, context=self.context)

    def freeze(self) -> None:
        self.frozen = True

    def thaw(self) -> None:
        if not self.killed:
            self._release()

    def kill(self) -> None:
        self.frozen = self.killed = self.dead = True

    def bury(self) -> None:
        """Let a killed process run out, so that its tasks can be cancelled and collected."""
        self.killed = False
        self._release()

    def hold(self, turn: Turn) -> None:
        self._held.append(turn)

    def _release(self) -> None:
        self.frozen = False
        held, self._held = self._held, []
        self.loop.resume(held)


def current() -> Process | None:
    """Tell which process runs."""
    return _process.get(None)


class SimLoop(asyncio.BaseEventLoop):
    """The scheduler. `troubles` collects exceptions that nobody awaited."""

    _running = False

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._due: deque[Turn] = deque()
        self._timers: list[tuple[float, int, Turn]] = []
        self._numbers = count()
        self._turns = 0
        self.troubles: list[str] = []

    # -- what asyncio asks of a loop

    def time(self) -> float:
        return self._now

    def call_soon(  # type: ignore[override]
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> Turn:
        turn = Turn((callback, args, copy_context() if context is None else context))
        self._due.append(turn)
        return turn

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> Turn:
        when = self._now + delay
        turn = Turn((callback, args, copy_context() if context is None else context))
        heappush(self._timers, (when, next(self._numbers), turn))
        return turn

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> Turn:
        turn = Turn((callback, args, copy_context() if context is None else context))
        heappush(self._timers, (when, next(self._numbers), turn))
        return turn

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Coroutine[Any, Any, T] | Generator[Any, None, T], **options: Any
    ) -> asyncio.Task[T]:
        return asyncio.Task(coro, loop=self, **options)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return not self._running

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.troubles.append(f"{context.get('message')}: {context.get('exception')!r}")

    # -- running

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run `main` to its end, in no process."""
        _set_running_loop(self)
        self._running = True
        try:
            task = self.create_task(main, context=Context())
            while not task.done():
                self._turn()
            return task.result()
        finally:
            self._running = False
            _set_running_loop(None)

    def resume(self, turns: list[Turn]) -> None:
        """Run what a frozen process had left, before anything newer of it."""
        self._due.extendleft(reversed(turns))

    def _turn(self) -> None:
        """Run what is due now, after a jump to the next timer if nothing is."""
        due, timers = self._due, self._timers
        if not due:
            self._jump()
        self._turns += 1
        if self._turns > LIVELOCK:
            raise RuntimeError(f"livelock at {self._now:.6f}: {due}")
        now = self._now
        while timers and timers[0][0] <= now:
            due.append(heappop(timers)[2])
        for _ in range(len(due)):
            turn = due.popleft()
            callback, args, context = turn
            if callback is None:
                continue
            process = context.get(_process)
            if process is not None and process.frozen:
                process.hold(turn)
                continue
            try:
                context.run(callback, *args)
            except Exception as error:  # noqa: BLE001 - as asyncio does it: told, and the loop goes on
                self.troubles.append(f"{callback}: {error!r}")

    def _jump(self) -> None:
        timers = self._timers
        while timers and timers[0][2][0] is None:
            heappop(timers)
        if not timers:
            raise RuntimeError(f"deadlock at {self._now:.6f}: nothing will ever happen")
        if timers[0][0] > self._now:
            self._now, self._turns = timers[0][0], 0
