"""The memory of one gateway: what the gateway costs when its store costs nothing."""

from pathlib import Path

from incumbent_compare.targets.target import Count, Target


class MemoryTarget(Target):
    """It ends with its gateway."""

    name = "memory"
    shared = False
    counts = "nothing is written"

    def __init__(self, _: str, folder: Path) -> None:
        super().__init__("memory://", folder)

    async def prepare(self) -> str:
        return ""

    async def count(self) -> Count:
        return Count(0.0)

    async def forget(self, namespace: str) -> None:
        """Nothing is left."""

    async def close(self) -> None:
        """Nothing is open."""
