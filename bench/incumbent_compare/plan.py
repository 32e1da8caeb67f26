"""What a run is to do, and how long that takes."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from incumbent_compare.scenarios import SCENARIOS, Scenario
from incumbent_compare.sizes import FULL, SMOKE, Sizes

FULL_TIMES = 12  # as long as a quick run, about
SMOKE_TIMES = 0.2


@dataclass(frozen=True, slots=True)
class Part:
    """A scenario on these stores: one, or several whose waits go side by side."""

    scenario: str
    stores: tuple[str, ...]
    waits: bool
    seconds: float

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.scenario}{', waits' if self.waits else ''} on {', '.join(self.stores)}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Stores with their addresses, scenarios, sizes."""

    stores: Mapping[str, str]
    scenarios: tuple[str, ...]
    sizes: Sizes
    missing: Mapping[str, str] = field(default_factory=dict)
    """Stores that are wanted and cannot be had, and why."""

    def parts(self) -> Iterator[Part]:
        """One after the other."""
        for name in self.scenarios:
            scenario = SCENARIOS[name]
            if scenario.run is not None:
                for store in self.stores:
                    yield Part(name, (store,), False, scenario.seconds * self._times())
            if scenario.waits is not None:
                yield from self._waits(name, scenario)

    def _waits(self, name: str, scenario: Scenario) -> Iterator[Part]:
        rounds: list[dict[str, str]] = []
        for store, url in self.stores.items():
            for beside in rounds:
                if self._fits(scenario, _server(url), beside):
                    beside[store] = _server(url)
                    break
            else:
                rounds.append({store: _server(url)})
        for beside in rounds:
            yield Part(name, tuple(beside), True, scenario.waiting * self._times())

    def _fits(self, scenario: Scenario, server: str, beside: Mapping[str, str]) -> bool:
        """Whether it may be measured beside these: what one server counts is of one store only."""
        if not scenario.heavy:
            return True
        return self.sizes.side_by_side and (not server or server not in beside.values())

    def seconds(self) -> float:
        """How long all of it takes, about."""
        return sum(part.seconds for part in self.parts())

    def _times(self) -> float:
        return {FULL: FULL_TIMES, SMOKE: SMOKE_TIMES}.get(self.sizes, 1.0)


def _server(url: str) -> str:
    """Where the server of a URL is; empty: there is none."""
    place = url.partition("://")[2].rpartition("@")[2]
    return re.split(r"[/?]", place, maxsplit=1)[0]
