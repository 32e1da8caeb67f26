"""The SDK's public surface: its names, its twins, its error tree."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import incumbent
from incumbent import errors
from incumbent._target import to_target

# What differs between twins for the one reason that one of them awaits.
ASYNC = {
    "AsyncClient": "Client",
    "AsyncTerm": "Term",
    "AsyncIterator": "Iterator",
    "async with": "`with`",
    "asyncio.Event": "threading.Event",
    "asyncio": "threads",
    "_async": "_sync",
}
DUNDERS = {"__aenter__": "__enter__", "__aexit__": "__exit__"}
OWN = {  # each behaves by its own kind of caller
    "Term": {"__doc__", "win", "leave"},
    "Client": {"__doc__"},
}


def members(kind: type) -> dict[str, Callable[..., Any]]:
    """The public methods, by the names that the sync twin has for them."""
    found = dict(inspect.getmembers(kind, inspect.isfunction))
    named = {DUNDERS.get(name, name): each for name, each in found.items()}
    kept = {*DUNDERS.values(), "__init__"}
    return {name: each for name, each in named.items() if name in kept or not name.startswith("_")}


def plain(text: str) -> str:
    for word, twin in ASYNC.items():
        text = text.replace(word, twin)
    return text


def prose(function: Callable[..., Any]) -> str:
    """A docstring without its example, which has to await."""
    text = inspect.getdoc(function) or ""
    return plain(text.partition("Example:")[0].strip())


TWINS = [
    (incumbent.Client, incumbent.AsyncClient),
    (incumbent.Term, incumbent.AsyncTerm),
]


@pytest.mark.parametrize(("sync", "twin"), TWINS)
def test_twins_have_the_same_names(sync: type, twin: type) -> None:
    assert set(members(sync)) == set(members(twin)) - OWN[sync.__name__]


@pytest.mark.parametrize(
    ("sync", "twin"),
    [
        pytest.param(method, members(other)[name], id=f"{one.__name__}.{name}")
        for one, other in TWINS
        for name, method in members(one).items()
    ],
)
def test_twins_have_the_same_signatures_and_docstrings(
    sync: Callable[..., Any], twin: Callable[..., Any]
) -> None:
    assert plain(str(inspect.signature(sync))) == plain(str(inspect.signature(twin)))
    assert prose(sync) == prose(twin)


def test_the_names_are_sorted_and_are_all_there_are() -> None:
    assert incumbent.__all__ == sorted(incumbent.__all__)
    assert all(hasattr(incumbent, name) for name in incumbent.__all__)
    raised = {name for name, each in vars(errors).items() if inspect.isclass(each)}
    assert raised <= set(incumbent.__all__)


def test_the_error_tree_is_drawn_as_it_is() -> None:
    """Each line of the drawing: its indentation is its depth, its first word a class."""
    drawn = re.findall(r"^( {4}[│├└─ ]*)(\w+)", errors.__doc__ or "", re.MULTILINE)
    path: list[type] = []
    for indent, name in drawn:
        kind = getattr(errors, name)
        depth = (len(indent) - 4) // 4
        path[depth:] = [kind]
        if depth:
            assert kind.__bases__[0] is path[depth - 1]
    assert {name for _, name in drawn} == {
        name for name, each in vars(errors).items() if inspect.isclass(each)
    }


@pytest.mark.parametrize("part", ["_sync.py", "_async.py"])
def test_each_twin_is_short(part: str) -> None:
    source = inspect.getsourcefile(incumbent)
    assert source is not None
    assert len(Path(source).with_name(part).read_text().splitlines()) <= 250


BAD = {
    "no address": ({"gateways": ""}, "gateways must be HOST:PORT"),
    "no port": ({"gateways": "localhost"}, "is not HOST:PORT"),
    "a port of 0": ({"gateways": "localhost:0"}, "port from 1 to 65535"),
    "a URL": ({"gateways": "http://localhost:7400"}, "no scheme, no path"),
    "an IPv6 address without brackets": ({"gateways": "::1:7400"}, "in brackets"),
    "a name in brackets": ({"gateways": "[localhost]:80"}, "in brackets, and no name does"),
    "an IPv4 address in brackets": ({"gateways": "[127.0.0.1]:80"}, "in brackets"),
    "addresses of bytes": ({"gateways": b"localhost:1"}, "gateways must be HOST:PORT, or several"),
    "addresses of numbers": ({"gateways": [1]}, "each of gateways must be a str, not int"),
    "a number for an address": ({"gateways": 1}, "gateways must be HOST:PORT, or several"),
    "plaintext by a word": ({"plaintext": "no"}, "plaintext must be True or False, not 'no'"),
    "TLS by a word": ({"tls": True}, "tls must be a Tls or None, not bool"),
    "a token of bytes": ({"token": b"t0ps3cret"}, "token must be printable ASCII"),
    "a timeout by a word": ({"timeout": "5"}, "timeout must be seconds or a timedelta, not str"),
    "one of several": ({"gateways": "localhost:7400,"}, "none may be empty"),
    "plaintext elsewhere": ({"gateways": "gw.example.org:7400"}, "is on another host"),
    "a token in plaintext": (
        {"gateways": "gw.example.org:7400", "plaintext": True, "token": "t0ps3cret"},
        "a token is not sent to gw.example.org:7400 in plaintext",
    ),
    "TLS and plaintext": ({"tls": incumbent.Tls(), "plaintext": True}, "exclude each other"),
    "an empty token": ({"token": ""}, "token must be printable ASCII"),
    "a token of two lines": ({"token": "t0ps3cret\n"}, "token must be printable ASCII"),
    "a negative timeout": ({"timeout": -1}, "timeout must be 0 s or more"),
    "no number": ({"timeout": float("nan")}, "timeout must be 0 s or more"),
}


@pytest.mark.parametrize("kind", [incumbent.Client, incumbent.AsyncClient])
@pytest.mark.parametrize(("arguments", "says"), BAD.values(), ids=BAD)
def test_a_client_of_bad_arguments(
    kind: Callable[..., Any], arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(says)) as refused:
        kind(**arguments)
    assert "t0ps3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "good", ["localhost:7400", "LocalHost:7400", "[::1]:7400", "127.0.0.2:1", "unix:/run/i.sock"]
)
def test_plaintext_to_this_host_needs_no_word(good: str) -> None:
    incumbent.Client(good, token="t0ps3cret")


BAD_CAMPAIGN = {
    "a ttl of 0": ({"ttl": 0}, "ttl must be 1 s to 1 h"),
    "a negative ttl": ({"ttl": -1}, "ttl must be 0 s or more"),
    "a ttl of ages": ({"ttl": 2.0**63}, "ttl must be 1 s to 1 h"),
    "a value of text": ({"value": "text"}, "value must be bytes"),
    "a long value": ({"value": bytes(4_097)}, "4,096 bytes at most, not 4,097"),
    "no ttl": ({"ttl": None}, "ttl must be seconds or a timedelta, not NoneType"),
    "a ttl beyond numbers": ({"ttl": 10**400}, "ttl is out of all bounds"),
    "no_wait by a word": ({"no_wait": "no"}, "no_wait must be True or False, not 'no'"),
    "on_trust by a word": ({"on_trust": "log"}, "on_trust must be callable, not str"),
    "a candidate of half a character": ({"candidate": "\udcff"}, "candidate must be text"),
    "an unknown choice": ({"on_disconnect": "maybe"}, "maybe"),
    "a candidate of bytes": ({"candidate": b"me"}, "candidate must be a str"),
}


@pytest.mark.parametrize("kind", [incumbent.Client, incumbent.AsyncClient])
@pytest.mark.parametrize(("arguments", "says"), BAD_CAMPAIGN.values(), ids=BAD_CAMPAIGN)
def test_a_campaign_of_bad_arguments(
    kind: Callable[..., Any], arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        kind().campaign("unit/bad", **arguments)


BAD_CALLS: dict[str, tuple[Callable[[incumbent.Client], object], str]] = {
    "leader(5)": (lambda client: client.leader(5), "election must be a str, not int"),  # type: ignore[arg-type]
    "leader(bytes)": (lambda client: client.leader(b"x"), "election must be a str, not bytes"),  # type: ignore[arg-type]
    "verify(text)": (lambda client: client.verify("x", "1"), "token must be an int, not str"),  # type: ignore[arg-type]
    "verify(2**63)": (
        lambda client: client.verify("x", 2**63),
        "token must be a number of 64 bits",
    ),
    "observe(bytes)": (lambda client: next(client.observe(b"a")), "election must be a str"),  # type: ignore[arg-type]
    "observe(prefix)": (lambda client: next(client.observe(prefix=1)), "prefix must be a str"),  # type: ignore[arg-type]
    "elections(None)": (lambda client: next(client.elections(None)), "prefix must be a str"),  # type: ignore[arg-type]
    "resign(bytes)": (lambda client: client.resign("a", b"t0ps3cret"), "credential must be a str"),  # type: ignore[arg-type]
    "resign(half)": (
        lambda client: client.resign("a", "t0ps3cret\udcff"),
        "credential must be text",
    ),
}


@pytest.mark.parametrize(("call", "says"), BAD_CALLS.values(), ids=BAD_CALLS)
def test_a_call_of_bad_arguments(call: Callable[[incumbent.Client], object], says: str) -> None:
    with (
        incumbent.Client("127.0.0.1:1") as client,
        pytest.raises(ValueError, match=re.escape(says)) as refused,
    ):
        call(client)
    assert not isinstance(refused.value, UnicodeError)
    assert "t0ps3cret" not in str(refused.value)


def pem(label: str, body: str = "MIIB") -> bytes:
    return f"text\n-----BEGIN {label}-----\n{body}\n-----END {label}-----\n".encode()


BAD_TLS = {
    "no PEM": ({"ca": b"t0ps3cret"}, "tls: ca must be"),
    "a path": ({"ca": "/etc/ca.pem"}, "tls: ca must be"),
    "nothing": ({"ca": b""}, "tls: ca must be"),
    "a key for certificates": ({"ca": pem("PRIVATE KEY")}, "tls: ca must be"),
    "a broken certificate": ({"ca": pem("CERTIFICATE") + pem("CERTIFICATE", "*")}, "tls: ca must"),
    "no chain": ({"certificate": b"t0ps3cret", "key": pem("PRIVATE KEY")}, "tls: certificate must"),
    "no key": ({"certificate": pem("CERTIFICATE"), "key": b"t0ps3cret"}, "tls: key must be"),
    "an encrypted key": (
        {"certificate": pem("CERTIFICATE"), "key": pem("ENCRYPTED PRIVATE KEY")},
        "not encrypted",
    ),
    "a name of bytes": ({"server_name": b"x"}, "tls: server_name must be a str"),
}


@pytest.mark.parametrize(("arguments", "says"), BAD_TLS.values(), ids=BAD_TLS)
def test_what_is_no_pem(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)) as refused:
        incumbent.Tls(**arguments)
    assert "t0ps3cret" not in str(refused.value)


@pytest.mark.parametrize("kind", ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"])
def test_no_secret_is_shown(kind: str) -> None:
    tls = incumbent.Tls(certificate=pem("CERTIFICATE"), key=pem(kind, "t0ps3cret+++"))
    assert "t0ps3cret" not in repr(tls)
    assert "t0ps3cret" not in repr(to_target("localhost:1", None, False, "t0ps3cret", None))


def test_a_term_that_was_not_entered() -> None:
    term = incumbent.Client().campaign("unit/term", candidate="node-a")
    assert not term.held
    assert (term.remaining(), term.until) == (0.0, float("-inf"))
    assert (term.election, term.candidate, term.reason) == ("unit/term", "node-a", "")
    assert "not elected" in repr(term)
    with pytest.raises(RuntimeError, match="enter the term first"):
        _ = term.token
