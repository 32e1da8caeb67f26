"""Runs a plan. What fails is missing from the run, and the rest goes on."""

import asyncio
import secrets
import sys
import tempfile
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from incumbent_compare.machine import load, machine, versions
from incumbent_compare.plan import Part, Plan
from incumbent_compare.progress import Progress
from incumbent_compare.results import Missing, Run, Series
from incumbent_compare.scenarios import SCENARIOS
from incumbent_compare.setting import Setting
from incumbent_compare.sizes import FULL
from incumbent_compare.targets import TARGETS, Target, Unreachable

LIMIT = 120.0  # seconds, and five times what was planned, until a part is given up
BRIEF = 300  # characters of why something is missing


class Comparison:
    """One run of a plan."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan, self._folder = plan, folder
        self._targets: dict[str, Target] = {}
        self._versions = versions()
        self._series: list[Series] = []
        self._missing: list[Missing] = []
        self._progress = Progress(plan.seconds())
        self._namespaces = (f"compare-{secrets.token_hex(3)}-{number}" for number in count(1))

    async def run(self) -> Run:
        """Measure all that can be reached."""
        before, began, since = load(), datetime.now(UTC), time.monotonic()
        try:
            await self._prepare()
            for part in self._plan.parts():
                await self._measure(part)
        finally:
            await self._close()
        return Run(
            began=began,
            seconds=time.monotonic() - since,
            full=self._plan.sizes == FULL,
            machine=machine(),
            versions=self._versions,
            load=before,
            series=tuple(self._series),
            missing=tuple(self._missing),
        )

    async def _prepare(self) -> None:
        for store, why in self._plan.missing.items():
            self._lacks(store, why)
        for store, url in self._plan.stores.items():
            place = self._folder / store
            place.mkdir()
            target = TARGETS[store](url, place)
            try:
                if version := await target.prepare():
                    self._versions[store] = version
            except Unreachable as error:
                self._lacks(store, f"it cannot be reached: {error}")
            else:
                self._targets[store] = target

    def _lacks(self, store: str, why: str) -> None:
        print(f"{store}: {why}", file=sys.stderr)
        for scenario in self._plan.scenarios:
            self._missing.append(Missing(scenario=scenario, store=store, why=why[:BRIEF]))

    async def _measure(self, part: Part) -> None:
        targets = [self._targets[store] for store in part.stores if store in self._targets]
        if not targets:
            return
        self._progress.begin(part.name, part.seconds)
        found = await asyncio.gather(*(self._one(part, target, len(targets)) for target in targets))
        self._progress.end()
        for series in found:
            self._series += series

    async def _one(self, part: Part, target: Target, shares: int) -> Sequence[Series]:
        scenario = SCENARIOS[part.scenario]
        work = scenario.waits if part.waits else scenario.run
        assert work is not None
        try:
            async with asyncio.timeout(LIMIT + 5 * part.seconds):
                async with self._setting(target, shares) as setting:
                    return await work(setting)
        except (Exception, asyncio.CancelledError) as error:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise asyncio.CancelledError from error  # we are to end
            # The others are measured all the same. A call whose channel is gone is cancelled, too.
            why = _said(error)
            print(f"\n{part.name}: {why}", file=sys.stderr)
            traceback.print_exception(error, file=sys.stderr)
            self._missing.append(Missing(scenario=part.scenario, store=target.name, why=why))
            return []

    @asynccontextmanager
    async def _setting(self, target: Target, shares: int) -> AsyncIterator[Setting]:
        """With a namespace that is forgotten afterwards."""
        namespace = next(self._namespaces)
        place = Path(tempfile.mkdtemp(dir=target.folder))
        try:
            yield Setting(target, self._plan.sizes, place, namespace, shares, self._progress.step)
        finally:
            await _tidy(target, target.forget(namespace))

    async def _close(self) -> None:
        for target in self._targets.values():
            await _tidy(target, target.close())


async def _tidy(target: Target, work: Awaitable[None]) -> None:
    """Remove what was left, where that can be done: the figures are worth more."""
    try:
        await work
    except Exception as error:  # noqa: BLE001 whatever it is, the others are cleaned up
        print(f"{target.name}: not all was removed: {_said(error)}", file=sys.stderr)


def _said(error: BaseException) -> str:
    """The first thing that went wrong."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return " ".join(f"{type(error).__name__}: {error}".split())[:BRIEF]
