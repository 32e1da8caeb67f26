"""A candidate in a process of its own, to be killed: `python -m bench.candidate ADDRESS ELECTION`.

It enters with RELEASE, says so once it leads, and stays.
"""

import asyncio
import sys

from bench.client import Candidate, connected


async def main(address: str, election: str) -> None:
    """Lead until killed."""
    async with connected(address) as stubs:
        candidate = Candidate(stubs[0], election)
        await candidate.lead()
        print("leads", flush=True)
        while True:
            await candidate.read()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
