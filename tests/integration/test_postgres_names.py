"""Names of every sort on a real PostgreSQL: none leaves its namespace or is taken for another.

The gateway lets through a part of them only. The driver must not need that.
"""

import asyncio
import secrets
from contextlib import AsyncExitStack

from hypothesis import given, settings
from hypothesis import strategies as st

from incumbent_backends.api import Claim
from incumbent_backends.postgres_hints import channel
from tests.integration.postgres_store import build, sql
from tests.integration.verbs import lead, watching
from tests.servers import shared

STORE = "postgres"

# What SQL, LIKE, libpq's texts, arrays and NOTIFY have a meaning for, and what looks alike.
HOSTILE = [
    *["'", "''", '"', "\\", "\\'", "%", "%%", "%s", "%(namespace)s", "_", "$1", "{}", "{a,b}"],
    *["NULL", "null", ";", "--", "/*", "a,b", "(", "E'\\x'", "\t", "\n", " ", ".", "..", "/", "//"],
    *["e", "E", "é", "e\u0301", "ß", "ss", "İ", "i", "\u0131", "ﬁ", "fi", "\u200b", "\ufeff", "😀"],
]
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
NAMES = st.lists(st.sampled_from(HOSTILE) | TEXT, min_size=1, max_size=4).map("".join)
LONG = st.builds(lambda part, times: (part * times)[:255], NAMES, st.integers(1, 255))
WORLDS = st.dictionaries(
    NAMES.filter(lambda name: len(name) <= 200),
    st.lists(NAMES | LONG, min_size=1, max_size=4, unique=True),
    min_size=2,
    max_size=3,
)


@settings(max_examples=30, deadline=None)
@given(worlds=WORLDS)
def test_no_name_leaves_its_namespace_or_is_taken_for_another(worlds: dict[str, list[str]]) -> None:
    url, prefix = shared(STORE).url(), secrets.token_hex(6)

    async def steps() -> None:
        async with AsyncExitStack() as stack:
            backends = {
                name: await stack.enter_async_context(build(url, prefix + name)) for name in worlds
            }
            terms = {
                (name, election): await lead(backends[name], election)
                for name, elections in worlds.items()
                for election in elections
            }
            for name, backend in backends.items():
                own = {election: terms[name, election] for election in worlds[name]}
                for election, term in own.items():
                    assert (await backend.read(election)).term == term
                for election in {each for others in worlds.values() for each in others}:
                    assert ((await backend.read(election)).term is None) == (election not in own)
                async with watching(backend) as watch:
                    assert watch.first == own
                claims = {Claim(election, term.token) for election, term in own.items()}
                assert (await backend.renew(claims)).survivors == claims
            first = next(iter(worlds))
            ended = worlds[first][0]
            await backends[first].release(terms[first, ended])
            for (name, election), term in terms.items():
                left = None if (name, election) == (first, ended) else term
                assert (await backends[name].read(election)).term == left

    asyncio.run(steps())
    sql(url, "DELETE FROM incumbent_term WHERE starts_with(namespace, %s)", prefix)


@given(name=NAMES | LONG)
def test_a_channel_is_a_name_that_needs_no_quotes(name: str) -> None:
    assert channel(name).isidentifier()
    assert channel(name) == channel(name).lower()
    assert len(channel(name)) < 64
