"""What `incumbent --output json` writes, to the key; and what tables make of dangerous text."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from rich.console import Console, RenderableType

from incumbent import Backend, Election, Expiry, Leader, Observation, Verification
from incumbent._cli import tables
from incumbent._cli.shapes import (
    Shape,
    backend_shape,
    election_shape,
    leader_shape,
    observation_shape,
    resigned_shape,
    term_shape,
    verification_shape,
)

TERM = Leader("demo", 7, "node-a", b"10.0.0.7:80", datetime(2026, 3, 1, 12, 30, 15, 250_000, UTC))
TERM_JSON = (
    '{"token": 7, "candidate": "node-a", "value": "MTAuMC4wLjc6ODA=",'
    ' "value_text": "10.0.0.7:80", "begin_time": "2026-03-01T12:30:15.250Z"}'
)
BACKEND = Backend(
    kind="sqlite",
    expiry=Expiry.LEASE,
    min_backend_ttl=timedelta(seconds=1),
    max_backend_ttl=timedelta(hours=1),
    backend_ttl=timedelta(seconds=15),
    failover_client_crash=timedelta(seconds=10.25),
    failover_gateway_crash=timedelta(seconds=15.5),
    survives_gateway=True,
    survives_restart=True,
    notes=("One host.",),
)


@pytest.mark.parametrize(
    ("shape", "line"),
    [
        (leader_shape("demo", TERM), f'{{"election": "demo", "leader": {TERM_JSON}}}'),
        (leader_shape("demo", None), '{"election": "demo", "leader": null}'),
        (
            observation_shape(Observation("demo", TERM)),
            f'{{"election": "demo", "leader": {TERM_JSON}}}',
        ),
        (observation_shape(Observation("demo", None)), '{"election": "demo", "leader": null}'),
        (observation_shape(Observation("", None, synced=True)), '{"synced": true}'),
        (
            verification_shape("demo", 7, Verification(True, TERM)),
            f'{{"election": "demo", "token": 7, "current": true, "leader": {TERM_JSON}}}',
        ),
        (
            verification_shape("demo", 6, Verification(False, None)),
            '{"election": "demo", "token": 6, "current": false, "leader": null}',
        ),
        (
            election_shape(Election("demo", TERM, 2)),
            f'{{"election": "demo", "leader": {TERM_JSON}, "waiting": 2}}',
        ),
        (resigned_shape("demo", TERM), f'{{"election": "demo", "ended": {TERM_JSON}}}'),
        (resigned_shape("demo", None), '{"election": "demo", "ended": null}'),
        (
            backend_shape(BACKEND),
            (
                '{"kind": "sqlite", "expiry": "lease", "min_backend_ttl": 1.0,'
                ' "max_backend_ttl": 3600.0, "backend_ttl": 15.0, "failover_client_crash": 10.25,'
                ' "failover_gateway_crash": 15.5, "survives_gateway": true,'
                ' "survives_restart": true, "notes": ["One host."]}'
            ),
        ),
    ],
)
def test_the_json_is_this_one(shape: Shape, line: str) -> None:
    assert json.dumps(shape) == line


def test_a_value_that_is_no_text_is_base64_alone() -> None:
    shape = term_shape(replace(TERM, value=b"\xff\x00"))
    assert (shape["value"], shape["value_text"]) == ("/wA=", None)


def test_a_time_is_told_in_utc() -> None:
    east = timezone(timedelta(hours=5))
    shape = term_shape(replace(TERM, begin_time=datetime(2026, 3, 1, 17, 30, tzinfo=east)))
    assert shape["begin_time"] == "2026-03-01T12:30:00.000Z"


def drawn(table: RenderableType) -> str:
    out = io.StringIO()
    Console(file=out, width=200, force_terminal=True, highlight=False, no_color=True).print(table)
    return out.getvalue()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"10.0.0.7:80", "10.0.0.7:80"),
        ("Grüße".encode(), "Grüße"),
        (b"\xff\x00", "0xff00"),
        (b"two\nlines", "two\\nlines"),
        (b"\x1b[2Jgone", "\\x1b[2Jgone"),
        (b"[red]markup[/red]", "[red]markup[/red]"),
        (b"a:smile:b", "a:smile:b"),
    ],
)
def test_a_table_shows_a_value_and_obeys_none(value: bytes, shown: str) -> None:
    term = replace(TERM, value=value)
    for table in (
        tables.leader("demo", term),
        tables.elections([Election("demo", term, 0)]),
        tables.observation(Observation("demo", term)),
        tables.resigned("demo", term),
        tables.verification("demo", 7, Verification(True, term)),
    ):
        assert shown in drawn(table)


def test_tables_tell_a_vacancy() -> None:
    for table in (
        tables.leader("demo", None),
        tables.elections([Election("demo", None, 1)]),
        tables.observation(Observation("demo", None)),
        tables.verification("demo", 7, Verification(False, None)),
    ):
        assert "vacant" in drawn(table)


def test_the_table_of_the_store_tells_its_promises() -> None:
    table = drawn(tables.backend(BACKEND))
    for told in ("sqlite", "15 s", "1 s to 3600 s", "10.25 s", "yes", "One host."):
        assert told in table
