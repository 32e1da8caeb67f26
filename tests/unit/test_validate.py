"""The rules of the contract's words, each at and beyond its edge."""

import string
from collections.abc import Callable
from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from incumbent.v1 import election_service_pb2 as pb
from incumbent_server import validate
from incumbent_server.reasons import Reason, Refused

SEGMENT_CHARACTERS = string.ascii_letters + string.digits + "._-"
MAX_INT64 = 2**63 - 1

segments = st.text(SEGMENT_CHARACTERS, min_size=1, max_size=63).filter(
    lambda each: each not in {".", ".."}
)
names = (
    st.lists(segments, min_size=1, max_size=8).map("/".join).filter(lambda name: len(name) <= 255)
)


def refusal(call: Callable[..., object], *sent: object) -> Refused:
    with pytest.raises(Refused) as caught:
        call(*sent)
    assert caught.value.reason is Reason.INVALID_FIELD
    assert caught.value.message.startswith(caught.value.metadata["field"])
    return caught.value


# ---- election and prefix


@given(names)
def test_every_well_formed_name_is_taken_as_it_is(name: str) -> None:
    assert validate.election(name) == name
    if len(name) < 255:
        assert validate.prefix(name + "/") == name + "/"


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "A/a",
        "...",
        "-",
        "a" * 63,
        "/".join("a" * 8),
        "/".join(["a" * 63, "b" * 63, "c" * 63, "d" * 63]),
    ],
)
def test_names_at_the_edge_are_taken(name: str) -> None:
    assert validate.election(name) == name


BAD_NAMES = [
    ".",
    "..",
    "../x",
    "a/..",
    "a/./b",
    "a//b",
    "/a",
    "a b",
    "a\n",
    "a\0b",
    "é",
    "\uff41",
    "٣",
    "a:b",
    "a%2fb",
    "a" * 64,
    "/".join("a" * 9),
    "/".join(["a" * 63, "b" * 63, "c" * 63, "d" * 62, "e"]),
    "a" * 256,
    "a" * 1_000_000,
]


@pytest.mark.parametrize("name", [*BAD_NAMES, "", "a/"])
def test_bad_names_are_refused_with_what_is_allowed(name: str) -> None:
    refused = refusal(validate.election, name, "enter.election")
    assert refused.metadata["field"] == "enter.election"
    assert "1 to 8 segments" in refused.message
    assert "255 bytes" in refused.message


@pytest.mark.parametrize("beginning", [*BAD_NAMES, "a", "a/b", "/", "//", "a" * 63 + "//"])
def test_bad_prefixes_are_refused(beginning: str) -> None:
    assert "'/'" in refusal(validate.prefix, beginning).message


def test_a_prefix_counts_its_slash() -> None:
    longest = "/".join(["a" * 63, "b" * 63, "c" * 63, "d" * 62]) + "/"
    assert len(longest) == 255
    assert validate.prefix(longest) == longest
    refusal(validate.prefix, longest[:-1] + "d/")


def test_an_empty_prefix_is_everything() -> None:
    assert validate.prefix("") == ""


@given(st.text())
def test_whatever_is_taken_as_a_name_has_the_contract_s_form(text: str) -> None:
    try:
        name = validate.election(text)
    except Refused:
        return
    assert len(name.encode()) <= 255
    assert 1 <= len(name.split("/")) <= 8
    for segment in name.split("/"):
        assert 1 <= len(segment) <= 63
        assert set(segment) <= set(SEGMENT_CHARACTERS)
        assert segment not in {".", ".."}


# ---- candidate and value


@pytest.mark.parametrize("label", ["", "node-a", "é" * 128, "👩‍🚀", "a b", "x" * 128])
def test_labels_are_taken(label: str) -> None:
    assert validate.candidate(label) == label


@pytest.mark.parametrize(
    "label",
    [
        "x" * 129, "a\nb", "a\0", "\x7f", "a\x85b", "\x9b31m", "\x1b[2J", "a\u2028b", "\u2029",
        "\ud800",
    ],
)  # fmt: skip
def test_labels_that_could_hurt_a_terminal_or_a_log_are_refused(label: str) -> None:
    assert "128 code points" in refusal(validate.candidate, label).message


def test_a_value_may_hold_any_4096_bytes() -> None:
    assert validate.value(b"\0" * 4096) == b"\0" * 4096
    assert validate.value(b"") == b""
    refused = refusal(validate.value, b"x" * 4097, "proclaim.value")
    assert refused.metadata == {"field": "proclaim.value"}
    assert "4096 bytes" in refused.message


# ---- ttl


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        (None, timedelta(seconds=10)),
        (Duration(seconds=1), timedelta(seconds=1)),
        (Duration(seconds=1, nanos=1), timedelta(seconds=1)),
        (Duration(seconds=2, nanos=500_000_000), timedelta(seconds=2.5)),
        (Duration(seconds=3600), timedelta(hours=1)),
    ],
)
def test_ttls_within_the_range(duration: Duration | None, expected: timedelta) -> None:
    assert validate.ttl(duration) == expected


@pytest.mark.parametrize(
    ("seconds", "nanos"),
    [
        (0, 0),
        (0, 999_999_999),
        (0, -1),
        (-1, 0),
        (-(2**63), 0),
        (-(2**63), -999_999_999),
        (3600, 1),
        (MAX_INT64, 0),
        (MAX_INT64, 999_999_999),
        (10, 1_000_000_000),
        (10, 2**31 - 1),
        (10, -1),
        (10, -(2**31)),
        (-10, 1),
    ],
)
def test_ttls_out_of_range_or_ill_formed_are_refused(seconds: int, nanos: int) -> None:
    refused = refusal(validate.ttl, Duration(seconds=seconds, nanos=nanos))
    assert refused.metadata == {"field": "enter.ttl"}
    assert "1 s to 1 h" in refused.message


@given(st.integers(-(2**63), MAX_INT64), st.integers(-(2**31), 2**31 - 1))
def test_a_ttl_is_in_the_range_or_refused_and_never_overflows(seconds: int, nanos: int) -> None:
    try:
        ttl = validate.ttl(Duration(seconds=seconds, nanos=nanos))
    except Refused:
        return
    assert timedelta(seconds=1) <= ttl <= timedelta(hours=1)


# ---- credential, attempt, tokens, sequence


@pytest.mark.parametrize("secret", ["a" * 22, "Z-_9" * 16, "A" * 43])
def test_credentials_are_taken(secret: str) -> None:
    assert validate.credential(secret) == secret


@pytest.mark.parametrize(
    "secret",
    ["", "s3cret", "a" * 21, "a" * 65, "a" * 21 + "=", "a" * 22 + "\n", "a" * 21 + "+", "é" * 22],
)
def test_bad_credentials_are_refused_and_never_shown(secret: str) -> None:
    refused = refusal(validate.credential, secret, "credential")
    assert "22 to 64" in refused.message
    assert not secret or secret not in f"{refused} {refused!r}"


def test_a_credential_s_presence_decides_what_an_unset_choice_means() -> None:
    unset = pb.ON_DISCONNECT_UNSPECIFIED
    assert validate.keeps(unset, has_credential=True)
    assert not validate.keeps(unset, has_credential=False)
    for has_credential in (False, True):
        assert validate.keeps(pb.ON_DISCONNECT_KEEP, has_credential=has_credential)
        assert not validate.keeps(pb.ON_DISCONNECT_RELEASE, has_credential=has_credential)


@pytest.mark.parametrize("choice", [3, -1, 2**31 - 1])
def test_an_unknown_choice_is_refused(choice: int) -> None:
    refused = refusal(lambda: validate.keeps(choice, has_credential=True))
    assert refused.metadata == {"field": "enter.on_disconnect"}


def test_attempts_count_from_one() -> None:
    assert [validate.attempt(each) for each in (0, 1, 2, 2**31 - 1)] == [1, 1, 2, 2**31 - 1]
    assert refusal(validate.attempt, -1).metadata == {"field": "enter.attempt"}


def test_tokens_are_greater_than_zero() -> None:
    assert validate.resume_token(None) is None
    assert validate.resume_token(1) == 1
    assert validate.token(MAX_INT64) == MAX_INT64
    for bad in (0, -1, MAX_INT64 + 1):
        refusal(validate.token, bad)
        refused = refusal(validate.resume_token, bad)
        assert refused.metadata == {"field": "enter.resume_token"}


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "+1", " 1", "1.0", "1e3", "x", "٣", str(2**63), "9" * 5000, "1_0"]
)
def test_token_texts_are_plain_decimal_digits(text: str) -> None:
    refusal(validate.token_text, text)


@given(st.integers(1, MAX_INT64))
def test_every_token_survives_being_written(number: int) -> None:
    assert validate.token_text(str(number)) == number


def test_sequences_only_rise() -> None:
    assert validate.sequence(1, 0) == 1
    assert validate.sequence(9, 3) == 9
    for number, last in [(0, 0), (-1, 0), (3, 3), (2, 3)]:
        refused = refusal(validate.sequence, number, last)
        assert refused.metadata == {"field": "heartbeat.sequence"}


# ---- pages


def test_page_sizes() -> None:
    assert [validate.page_size(each) for each in (0, 1, 1000)] == [100, 1, 1000]
    for bad in (-1, 1001, -(2**31)):
        assert "1 to 1000" in refusal(validate.page_size, bad).message


@given(names)
def test_a_page_token_leads_back_to_its_election(name: str) -> None:
    assert validate.page_token(validate.to_page_token(name)) == name


def test_no_page_token_is_the_first_page() -> None:
    assert validate.page_token("") == ""


@given(st.text(min_size=1))
def test_any_other_page_token_is_refused_or_a_name(text: str) -> None:
    try:
        last = validate.page_token(text)
    except Refused:
        return
    assert validate.election(last) == last


def test_a_page_token_that_is_none_is_refused() -> None:
    for text in ("!", "a", "Li4", "x" * 10_000, "é"):
        assert refusal(validate.page_token, text).metadata == {"field": "page_token"}


def test_a_page_token_belongs_to_its_prefix() -> None:
    text = validate.to_page_token("a/b")
    assert validate.page_token(text, "a/") == "a/b"
    refusal(validate.page_token, text, "c/")


def test_a_message_out_of_order_names_itself() -> None:
    refused = validate.out_of_order("heartbeat", "follow the enter")
    assert refused.message == "heartbeat must follow the enter"
    assert refused.metadata == {"field": "heartbeat"}
