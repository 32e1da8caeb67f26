"""Log lines in both forms, and the metrics as Prometheus reads them."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from incumbent_server.candidacy import Census
from incumbent_server.config import LogFormat, LogLevel
from incumbent_server.telemetry import Metrics, configure_logging, logger


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []  # Else they are closed.
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_its_fields() -> None:
    stream = io.StringIO()
    configure_logging(None, LogLevel.INFO, stream)
    logger("incumbent_server.elector").bind(election="a/b").info("term begun", token=7)
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "term begun",
        "level": "info",
        "logger": "incumbent_server.elector",
        "election": "a/b",
        "token": 7,
    }


def test_lines_of_the_libraries_have_the_same_form() -> None:
    stream = io.StringIO()
    configure_logging(LogFormat.JSON, LogLevel.INFO, stream)
    logging.getLogger("grpc._cython").warning("%s pings", "too many", extra={"peer": "x"})
    (line,) = lines(stream)
    assert line["event"] == "too many pings"
    assert (line["level"], line["logger"], line["peer"]) == ("warning", "grpc._cython", "x")


def test_an_exception_stays_on_its_line() -> None:
    stream = io.StringIO()
    configure_logging(LogFormat.JSON, LogLevel.INFO, stream)
    try:
        raise LookupError("gone")
    except LookupError:
        logger("x").exception("failed")
        logging.getLogger("y").exception("failed")
    for line in lines(stream):
        assert line["exception"][0]["exc_type"] == "LookupError"
        assert line["exception"][0]["exc_value"] == "gone"


def test_a_terminal_gets_text() -> None:
    stream = Terminal()
    configure_logging(None, LogLevel.INFO, stream)
    logger("x").info("listening", port=7400)
    assert "listening" in stream.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(stream.getvalue())


@pytest.mark.parametrize("form", LogFormat)
def test_a_chosen_form_holds_everywhere(form: LogFormat) -> None:
    for stream in (io.StringIO(), Terminal()):
        configure_logging(form, LogLevel.INFO, stream)
        logger("x").info("listening")
        assert stream.getvalue().startswith("{") is (form is LogFormat.JSON)


def test_text_that_goes_to_a_file_has_no_colours() -> None:
    stream = io.StringIO()
    configure_logging(LogFormat.TEXT, LogLevel.INFO, stream)
    logger("x").error("broken", é="é")
    assert "\x1b" not in stream.getvalue()
    assert "é=é" in stream.getvalue()


def test_what_was_received_cannot_steer_a_terminal_or_forge_a_line() -> None:
    stream = io.StringIO()
    configure_logging(LogFormat.TEXT, LogLevel.INFO, stream)
    logger("x").error("broken\nforged", value="\x1b[2J\nforged")
    assert len(stream.getvalue().splitlines()) == 1
    assert "\\x1b[2J\\nforged" in stream.getvalue()


@pytest.mark.parametrize("form", LogFormat)
def test_a_traceback_shows_no_local_variables(form: LogFormat) -> None:
    stream = io.StringIO()
    configure_logging(form, LogLevel.INFO, stream)
    hidden = "hunter2".upper()
    try:
        raise LookupError(len(hidden))
    except LookupError:
        logger("x").exception("failed")
    assert "LookupError" in stream.getvalue()
    assert hidden not in stream.getvalue()


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (LogLevel.DEBUG, ["debug", "info", "warning", "error"]),
        (LogLevel.WARNING, ["warning", "error"]),
        (LogLevel.ERROR, ["error"]),
    ],
)
def test_what_is_less_severe_is_left_out(level: LogLevel, expected: list[str]) -> None:
    stream = io.StringIO()
    configure_logging(LogFormat.JSON, level, stream)
    for name in ("debug", "info", "warning", "error"):
        getattr(logger("x"), name)("event")
        getattr(logging.getLogger("y"), name)("event")
    told = [line["level"] for line in lines(stream)]
    assert told == [each for each in expected for _ in range(2)]


def test_the_last_configuration_holds() -> None:
    first, second = io.StringIO(), io.StringIO()
    early = logger("x")
    configure_logging(LogFormat.JSON, LogLevel.INFO, first)
    configure_logging(LogFormat.JSON, LogLevel.INFO, second)
    early.info("event")
    assert first.getvalue() == ""
    assert len(lines(second)) == 1


def test_a_probe_s_requests_fill_no_log() -> None:
    stream = io.StringIO()
    configure_logging(LogFormat.JSON, LogLevel.INFO, stream)
    logging.getLogger("aiohttp.access").info("GET /live")
    assert stream.getvalue() == ""


# ---- metrics


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    body, content_type = metrics.exposition()
    assert content_type.startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    return samples(metrics)[f"incumbent_{name}", frozenset(labels.items())]


def test_streams_are_counted_while_they_are_open() -> None:
    metrics = Metrics()
    with metrics.stream("campaign"), metrics.stream("observe"):
        with metrics.stream("campaign"):
            assert sample(metrics, "streams", kind="campaign") == 2
        assert sample(metrics, "streams", kind="campaign") == 1
        assert sample(metrics, "streams", kind="observe") == 1
    assert sample(metrics, "streams", kind="campaign") == 0


def test_a_stream_that_fails_is_no_longer_open() -> None:
    metrics = Metrics()
    with pytest.raises(LookupError), metrics.stream("observe"):
        raise LookupError
    assert sample(metrics, "streams", kind="observe") == 0


def test_candidates_are_counted_at_each_scrape() -> None:
    metrics = Metrics()
    census: Census = {"waiting": 2, "leading": 1, "jeopardy": 0}
    metrics.census(lambda: census)
    assert sample(metrics, "candidates", state="waiting") == 2
    census["waiting"] = 1
    assert sample(metrics, "candidates", state="waiting") == 1
    assert sample(metrics, "candidates", state="leading") == 1


def test_terms_and_heartbeats_only_rise() -> None:
    metrics = Metrics()
    metrics.term_begun("won")
    metrics.term_begun("resumed")
    metrics.term_ended("resigned")
    metrics.heartbeat()
    metrics.heartbeat()
    assert sample(metrics, "terms_begun_total", how="won") == 1
    assert sample(metrics, "terms_begun_total", how="resumed") == 1
    assert sample(metrics, "terms_total", outcome="resigned") == 1
    assert sample(metrics, "heartbeats_total") == 2


def test_store_calls_are_timed_by_verb_and_outcome() -> None:
    metrics = Metrics()
    metrics.store_called("renew", "ok", 0.5)
    metrics.store_called("acquire", "unavailable", 2.0)
    assert sample(metrics, "store_call_seconds_sum", verb="renew", outcome="ok") == 0.5
    assert sample(metrics, "store_call_seconds_sum", verb="acquire", outcome="unavailable") == 2.0
    assert sample(metrics, "store_call_seconds_count", verb="renew", outcome="ok") == 1


def test_the_session_is_asked_at_each_scrape_and_never_below_zero() -> None:
    metrics = Metrics()
    remaining = iter([3.5, -2.0])
    metrics.session_good(lambda: next(remaining))
    assert sample(metrics, "session_good_seconds") == 3.5
    assert sample(metrics, "session_good_seconds") == 0.0


def test_ends_of_calls_carry_code_and_reason() -> None:
    metrics = Metrics()
    metrics.rpc_ended("Campaign", "ABORTED", "EXPIRED")
    metrics.rpc_ended("GetLeader", "OK")
    ends = "rpc_ends_total"
    assert sample(metrics, ends, method="Campaign", code="ABORTED", reason="EXPIRED") == 1
    assert sample(metrics, ends, method="GetLeader", code="OK", reason="") == 1


def test_the_build_is_told() -> None:
    metrics = Metrics()
    metrics.build(version="1.2.3", backend="sqlite")
    assert sample(metrics, "build_info", version="1.2.3", backend="sqlite") == 1


def test_two_gateways_of_one_process_count_apart() -> None:
    first, second = Metrics(), Metrics()
    first.heartbeat()
    assert sample(first, "heartbeats_total") == 1
    assert sample(second, "heartbeats_total") == 0


def test_no_metric_has_a_label_per_election() -> None:
    metrics = Metrics()
    with metrics.stream("campaign"):
        metrics.store_called("read", "ok", 0.1)
        metrics.rpc_ended("Campaign", "OK")
    labels = {name for _, pairs in samples(metrics) for name, _ in pairs}
    assert labels.isdisjoint({"election", "candidate", "credential", "token", "holder"})
