"""The format: what the recorder writes the reader reads, and nothing else."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.histories.events import KINDS, Change, Event, Granted, Noted, Outcome
from tests.histories.reader import Unreadable, read
from tests.histories.recorder import Recorder, now

X = "team/x"
ROOT = Path(__file__).parents[2]
README = ROOT / "tests" / "histories" / "README.md"
GRANTED: Mapping[str, Any] = {"election": X, "token": 5, "until": 9.5, "guarded": True}
NOTED = b'{"at":1,"who":"a","what":"noted","says":"here"}\n'
VALUES: Mapping[object, Any] = {
    str: "word",
    str | None: "word",
    int: 7,
    int | None: 7,
    float | None: 2.5,
    bool: True,
    Outcome: "unknown",
    Change: "moved",
    Mapping[str, list[int]]: {X: [5, 6]},
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.jsonl"


def own(kind: type[Event]) -> list[Field[Any]]:
    """List the fields that a line of this kind adds to those that every line has."""
    return [each for each in fields(kind) if each.name not in ("at", "who", "note")]


def optional(each: Field[Any]) -> bool:
    return each.default is not MISSING or each.default_factory is not MISSING


def test_what_is_recorded_is_read(path: Path) -> None:
    before = now()
    recorder = Recorder(path, "a")
    at = recorder.record("granted", **GRANTED, sent=1.5, note="first")
    recorder.record("granted", at=at, **{**GRANTED, "token": 6, "until": None})
    recorder.close()
    assert before <= at <= now()
    assert read([path]).events == (
        Granted(at, "a", X, 5, 9.5, guarded=True, sent=1.5, note="first"),
        Granted(at, "a", X, 6, None, guarded=True),
    )


@pytest.mark.parametrize("whole", [True, False])
def test_every_kind_is_read_back_with_and_without_what_may_be_left_out(
    path: Path, whole: bool
) -> None:
    recorder = Recorder(path, "a")
    told: list[Event] = []
    for what, kind in KINDS.items():
        given = {each.name: VALUES[each.type] for each in own(kind) if whole or not optional(each)}
        told.append(kind(recorder.record(what, **given), "a", **given))
    assert read([path]).events == tuple(told)


def test_the_readme_lists_every_kind_with_its_fields() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", README.read_text(), re.MULTILINE)
    listed = {what: re.sub(r"=\S+?(?=\])", "", cell) for what, cell in rows}
    assert listed == {
        what: " ".join(
            f"[`{each.name}`]" if optional(each) else f"`{each.name}`" for each in own(kind)
        )
        for what, kind in KINDS.items()
    }


def test_the_readmes_line_is_one(path: Path) -> None:
    (line,) = re.findall(r"```json\n(.*?)```", README.read_text(), re.DOTALL)
    path.write_text(line)
    assert isinstance(read([path]).events[0], Granted)


def test_files_are_read_as_one_in_the_order_of_at(tmp_path: Path) -> None:
    for who, instants in {"a": (1, 3, 3, 5), "b": (0.5, 3, 4)}.items():
        recorder = Recorder(tmp_path / who, who)
        for number, at in enumerate(instants):
            recorder.record("noted", at=at, says=str(number))
    events = read([tmp_path / "a", tmp_path / "b"]).events
    assert [(event.who, event.says) for event in events if isinstance(event, Noted)] == [
        ("b", "0"), ("a", "0"), ("a", "1"), ("a", "2"), ("b", "1"), ("b", "2"), ("a", "3"),
    ]  # fmt: skip


@pytest.mark.parametrize("cut", range(1, len(NOTED)))
def test_a_last_line_that_was_cut_off_is_dropped(path: Path, cut: int) -> None:
    path.write_bytes(NOTED + NOTED[:cut])
    history = read([path])
    whole = cut == len(NOTED) - 1  # all of it but the newline
    assert len(history.events) == 1 + whole
    assert history.torn == (() if whole else (str(path),))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "no JSON: "),
        (NOTED[:-10], "no JSON: "),
        (b'"noted"', "no JSON object"),
        (b"\xff", "no JSON: "),
        (NOTED.replace(b"noted", b"knotted"), "no event is called 'knotted'"),
        (NOTED.replace(b'"what":"noted",', b""), "no event is called None"),
        (NOTED.replace(b"says", b"said"), "noted has no field 'said'"),
        (NOTED.replace(b',"says":"here"', b""), "noted lacks says"),
        (NOTED.replace(b'"at":1,"who":"a",', b""), "noted lacks at, who"),
        (NOTED.replace(b'"at":1', b'"at":"1"'), "at of noted cannot be '1'"),
        (NOTED.replace(b'"at":1', b'"at":true'), "at of noted cannot be True"),
        (NOTED.replace(b'"at":1', b'"at":NaN'), "NaN is no number"),
        (NOTED.replace(b'"at":1', b'"at":1e999'), "at of noted cannot be inf"),
        (NOTED.replace(b'"says"', b'"token":0,"says"'), "token of noted cannot be 0"),
        (NOTED.replace(b'"says"', b'"token":1.5,"says"'), "token of noted cannot be 1.5"),
        (
            b'{"at":1,"who":"a","what":"returned","op":"1","outcome":"fine"}',
            "outcome of returned cannot be 'fine'",
        ),
        (
            b'{"at":1,"who":"a","what":"fault","kind":"delete","exempts":{"x":5}}',
            "exempts of fault cannot be {'x': 5}",
        ),
    ],
)
def test_any_other_line_that_is_no_event_is_named(path: Path, line: bytes, why: str) -> None:
    path.write_bytes(NOTED + line.strip(b"\n") + b"\n" + NOTED)
    with pytest.raises(Unreadable) as unreadable:
        read([path])
    assert str(unreadable.value).startswith(f"{path}, line 2: {why}")


def test_a_file_that_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(Unreadable, match=r"a\.jsonl: No such file or directory"):
        read([path])


def test_threads_share_a_recorder(path: Path) -> None:
    recorder = Recorder(path, "a")

    def record(name: str) -> None:
        for number in range(500):
            recorder.record("noted", says=f"{name} {number}")

    threads = [Thread(target=record, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({event.says for event in read([path]).events if isinstance(event, Noted)}) == 2000


def test_a_killed_process_costs_the_last_line_at_most(path: Path) -> None:
    program = (
        "import itertools, sys\n"
        "from tests.histories.recorder import Recorder\n"
        "recorder = Recorder(sys.argv[1], 'a')\n"
        "for number in itertools.count():\n"
        "    recorder.record('noted', says=str(number))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], cwd=ROOT)
    while not (path.exists() and path.stat().st_size > 100_000):
        time.sleep(0.01)
    process.kill()
    process.wait()
    said = [event.says for event in read([path]).events if isinstance(event, Noted)]
    assert said == [str(number) for number in range(len(said))]


@pytest.mark.parametrize("torn", [b"", NOTED[:20], b'{"at":1,"note":"' + 10_000 * b"x"])
@pytest.mark.parametrize("before", [b"", NOTED, NOTED + NOTED])
def test_a_process_that_starts_anew_goes_on_with_the_file(
    path: Path, before: bytes, torn: bytes
) -> None:
    path.write_bytes(before + torn)
    Recorder(path, "a").record("noted", at=2, says="there")
    assert path.read_bytes()[: len(before)] == before
    assert json.loads(path.read_bytes()[len(before) :])["says"] == "there"


def test_what_is_no_json_is_not_recorded(path: Path) -> None:
    recorder = Recorder(path, "a")
    with pytest.raises(ValueError, match="not JSON compliant"):
        recorder.record("granted", **{**GRANTED, "until": float("inf")})
    assert path.read_bytes() == b""
