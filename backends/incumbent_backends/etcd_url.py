"""The URL of an etcd store: where its members are, who we are there, and whom we trust."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import grpc

from incumbent_backends.api import Rejected
from incumbent_backends.who_answers import is_host

PORT = 2379

_URL = re.compile(
    r"(?P<scheme>etcds?)://(?:(?P<user>[^:@/?#]*):(?P<password>[^@/?#]*)@)?"
    r"(?P<members>[^@/?#]+)/?(?:\?(?P<query>[^#]*))?",
    re.IGNORECASE,
)
_MEMBER = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?")
_FILES = ("ca", "cert", "key")


@dataclass(frozen=True, slots=True)
class Address:
    """What the URL says; `files` are those of TLS, None without it."""

    members: tuple[str, ...]
    user: str
    password: str = field(repr=False)
    files: dict[str, str] | None

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Read the files of TLS; None: plain text. Rejected: one of them cannot be read."""
        if self.files is None:
            return None
        read = {name: _read(name, path) for name, path in self.files.items()}
        return grpc.ssl_channel_credentials(read.get("ca"), read.get("key"), read.get("cert"))


def parse_url(url: str) -> Address:
    """Read a URL, offline. Rejected, without repeating it: it is none of an etcd."""
    match = _URL.fullmatch(url)
    if match is None or re.search(r"[\x00-\x20]", url):
        raise Rejected(f"this etcd URL cannot be read: {_how()}")
    tls = match["scheme"].lower() == "etcds"
    given = parse_qsl(match["query"] or "", keep_blank_values=True)
    options = dict(given)
    if len(options) < len(given) or not (options.keys() <= set(_FILES) if tls else not options):
        raise Rejected(
            "the etcd URL has an option that is not known here, or one twice; etcds:// takes ca,"
            " cert and key, etcd:// none"
        )
    if not all(options.values()):
        raise Rejected("ca, cert and key in the etcd URL must name files")
    if ("cert" in options) != ("key" in options):
        raise Rejected("the etcd URL needs cert and key together, the client's own")
    return Address(
        members=tuple(map(_member, match["members"].split(","))),
        user=unquote(match["user"] or ""),
        password=unquote(match["password"] or ""),
        files=options if tls else None,
    )


def _member(text: str) -> str:
    match = _MEMBER.fullmatch(text)
    port = int(match["port"] or PORT) if match is not None else 0
    if match is None or not 0 < port < 65536 or not is_host(match["host"].strip("[]")):
        raise Rejected(f"a member in this etcd URL cannot be read: {_how()}")
    return f"{match['host']}:{port}"


def _how() -> str:
    return "write etcd://host:2379,host:2379 or etcds://user:password@host:2379?ca=FILE"


def _read(name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Rejected(
            f"the file that the etcd URL names as {name} cannot be read ({error.strerror})"
        ) from error
