"""What the gateway tells its operator: log lines on stderr and Prometheus metrics.

A log line is an event with fields: text on a terminal, one JSON object elsewhere. Lines of the
libraries (grpc, aiohttp, asyncio) come out in the same form. No line holds a credential or the
password of a backend URL, and no metric has a label per election: their number has no bound.
"""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, Literal, TextIO

import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from structlog.typing import EventDict, Processor, WrappedLogger

from incumbent_server.candidacy import CandidateState, Census
from incumbent_server.config import LogFormat, LogLevel

StreamKind = Literal["campaign", "observe"]
Verb = Literal["renew", "acquire", "release", "read", "watch"]
Beginning = Literal["won", "resumed"]
Outcome = Literal["ok", "unavailable", "rejected"]

# From a statement on an embedded store (some 100 µs) to the patience of a backend ttl.
_STORE_BUCKETS: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
)  # fmt: skip
# At info the first tells every probe of /live; at debug the second tells what nobody asked.
_CHATTY: Final = ("aiohttp.access", "asyncio")

_MANY_LINES: Final = frozenset({"exception", "stack"})

_SHARED: Final[tuple[Processor, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
)


def configure_logging(
    log_format: LogFormat | None, log_level: LogLevel, stream: TextIO | None = None
) -> None:
    """Send every line of structlog and of stdlib's logging to `stream`, stderr by default.

    `log_format` None is text if the stream is a terminal, JSON if not. It may be called again: the
    last call holds.
    """
    stream = stream or sys.stderr
    form = log_format or (LogFormat.TEXT if stream.isatty() else LogFormat.JSON)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(form, colors=stream.isatty()),
            ],
            foreign_pre_chain=_SHARED,
        )
    )
    logging.basicConfig(level=log_level.upper(), handlers=[handler], force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _renderers(form: LogFormat, *, colors: bool) -> list[Processor]:
    # No locals in a traceback: they hold credentials.
    if form is LogFormat.TEXT:
        plain = structlog.dev.plain_traceback
        return [_printable, structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [
        structlog.processors.ExceptionRenderer(tracebacks),
        structlog.processors.JSONRenderer(default=str),
    ]


def _printable(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Escape what would steer a terminal or begin a line of its own."""
    return {
        key: _escaped(value) if isinstance(value, str) and key not in _MANY_LINES else value
        for key, value in line.items()
    }


def _escaped(text: str) -> str:
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module; `bind` adds fields to its lines."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound


class Tally(Collector):
    """A counter for what happens all the time: one addition, without the library's lock."""

    def __init__(self, name: str, text: str) -> None:
        self.count = 0
        self._name, self._text = name, text

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Tell the count, when somebody scrapes."""
        yield CounterMetricFamily(self._name, self._text, self.count)


class Metrics:
    """The gateway's metrics, in a registry of their own so that two gateways fit in one process."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry: Final = registry or CollectorRegistry()
        self._streams: Final = self._gauge("streams", "Open streams.", "kind")
        self._candidates: Final = self._gauge("candidates", "Candidates of all elections.", "state")
        self._terms_begun: Final = self._counter(
            "terms_begun", "Terms that this gateway came to hold.", "how"
        )
        self._terms: Final = self._counter("terms", "Terms that ended or moved away.", "outcome")
        self._heartbeats: Final = Tally("incumbent_heartbeats", "Heartbeats received.")
        self.registry.register(self._heartbeats)
        self._store_calls: Final = Histogram(
            "incumbent_store_call_seconds",
            "Time from the beginning of a store call to its end.",
            ("verb", "outcome"),
            buckets=_STORE_BUCKETS,
            registry=self.registry,
        )
        self._session_good: Final = self._gauge(
            "session_good_seconds",
            "How much longer the store's last confirmation of this session holds; 0: not at all.",
        )
        self._rpc_ends: Final = self._counter(
            "rpc_ends", "Calls that ended.", "method", "code", "reason"
        )
        self._build: Final = Info("incumbent_build", "What is running.", registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"incumbent_{name}", text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"incumbent_{name}", text, labels, registry=self.registry)

    @contextmanager
    def stream(self, kind: StreamKind) -> Iterator[None]:
        """Count a stream as open for as long as the block lasts."""
        with self._streams.labels(kind).track_inprogress():
            yield

    def census(self, count: Callable[[], Census]) -> None:
        """Ask `count` at each scrape how many candidates are in each state."""
        for state in count():
            self._candidates.labels(state).set_function(partial(_entry, count, state))

    def term_begun(self, how: Beginning) -> None:
        """Count a term that this gateway holds from now on."""
        self._terms_begun.labels(how).inc()

    def term_ended(self, outcome: str) -> None:
        """Count a term that this gateway no longer holds.

        `outcome` is a word from a closed set: a Reason in lower case (`superseded` is a term that
        moved away) or `disconnected`.
        """
        self._terms.labels(outcome).inc()

    def heartbeat(self) -> None:
        """Count one heartbeat."""
        self._heartbeats.count += 1

    def store_called(self, verb: Verb, outcome: Outcome, seconds: float) -> None:
        """Count a store call and the time that it took."""
        self._store_calls.labels(verb, outcome).observe(seconds)

    def session_good(self, remaining: Callable[[], float]) -> None:
        """Ask `remaining`, in seconds, at each scrape; what is below 0 counts as 0."""
        self._session_good.set_function(lambda: max(0.0, remaining()))

    def rpc_ended(self, method: str, code: str, reason: str = "") -> None:
        """Count an ended call: bare name of the RPC, of the gRPC status, and the bare reason."""
        self._rpc_ends.labels(method, code, reason).inc()

    def build(self, *, version: str, backend: str) -> None:
        """Tell the version and the backend's kind, which is its scheme."""
        self._build.info({"version": version, "backend": backend})

    def exposition(self) -> tuple[bytes, str]:
        """The body of `/metrics` and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


def _entry(count: Callable[[], Census], state: CandidateState) -> float:
    return count()[state]
