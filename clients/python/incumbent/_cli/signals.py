"""TERM, INT and HUP: they end what waits for leadership, and go to COMMAND while it runs."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

Result = TypeVar("Result")

_OBEYED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signalled(Exception):
    """A signal ended the command."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Signals:
    """Hands each signal to one taker: at first that which ends us."""

    def __init__(self, end: Callable[[], object]) -> None:
        self.number: int | None = None  # the last one that came
        self._end = end
        self._take: Callable[[int], object] | None = None

    def deliver(self, number: int) -> None:
        """Take note of it, and hand it over."""
        self.number = number
        if self._take is None:
            self._end()
        else:
            self._take(number)

    def go_to(self, take: Callable[[int], object]) -> None:
        """Hand them to somebody else from now on."""
        self._take = take

    def end_us(self) -> None:
        """Have them end us from now on."""
        self._take = None


def obeying_signals(work: Callable[[Signals], Awaitable[Result]]) -> Result:
    """Run it; a signal that nobody else takes cancels it, and leaves as Signalled."""
    return asyncio.run(_obeying(work))


async def _obeying(work: Callable[[Signals], Awaitable[Result]]) -> Result:
    task = asyncio.current_task()
    assert task is not None
    signals = Signals(task.cancel)
    loop = asyncio.get_running_loop()
    for number in _OBEYED:
        # nohup ignores one, and so does a shell for what it starts in the background.
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, signals.deliver, number)
    try:
        return await work(signals)
    except asyncio.CancelledError:
        if signals.number is None:
            raise
        raise Signalled(signals.number) from None
