"""The file of a SQLite store: where it is, whether it will do, what its errors mean.

Nothing here ever opens the file except through SQLite: closing any other descriptor of it would
drop the locks that SQLite holds for this process.
"""

import os
import re
import sqlite3
import stat
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from incumbent_backends.api import BackendError, Rejected, Unavailable

BUSY_SECONDS = 1.0  # how long a verb waits for another program's lock
OLDEST = (3, 35, 0)  # RETURNING
SMALLEST = 512  # bytes: one page

# File systems that several hosts may mount at once. SQLite's shared memory is one host's own.
# fmt: off
NETWORK = frozenset((
    "9p", "afs", "beegfs", "ceph", "cifs", "davfs", "fuse.ceph", "fuse.davfs", "fuse.glusterfs",
    "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs",
    "nfs4", "pvfs2", "smb3", "smbfs",
))
# fmt: on

_LATER = {
    sqlite3.SQLITE_BUSY: "is locked by another program",
    sqlite3.SQLITE_LOCKED: "is locked by another program",
    sqlite3.SQLITE_FULL: "cannot grow: its disk is full",
    sqlite3.SQLITE_READONLY: "is read-only",
    sqlite3.SQLITE_PERM: "may not be accessed by this user",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_IOERR: "cannot be read or written: its disk reports an error",
    sqlite3.SQLITE_PROTOCOL: "is locked by another program",
    sqlite3.SQLITE_NOMEM: "cannot be used: out of memory",
    sqlite3.SQLITE_INTERRUPT: "was left in the middle of a statement",
}
_PERMANENT = {
    sqlite3.SQLITE_NOTADB: "is not a SQLite database",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a backup",
    sqlite3.SQLITE_AUTH: "may not be used by this program",
}
_AT_START = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN})


def parse_url(url: str) -> Path:
    """Return the path in `sqlite:////abs/file` or `sqlite:///rel/file`; Rejected: anything else."""
    how = "write sqlite:////absolute/path or sqlite:///relative/path"
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Rejected(f"this SQLite URL cannot be read: {how}") from None
    if parts.scheme != "sqlite":
        raise Rejected(f"a SQLite store's URL begins with sqlite: {how}")
    if parts.netloc:
        raise Rejected(f"a sqlite URL names no host, user or port: {how}")
    if "?" in url or "#" in url:
        raise Rejected(
            f"a sqlite URL takes no query and no fragment (%3F and %23 in a name): {how}"
        )
    path = unquote(parts.path.removeprefix("/"))
    if not path or path.endswith("/") or "\0" in path:
        raise Rejected(f"a sqlite URL names a file: {how}")
    if path == ":memory:":
        raise Rejected("a gateway's store in SQLite is a file; for a store in memory use memory://")
    return Path(path)


def filesystem_of(path: Path, mountinfo: str) -> str:
    """Return the type of the file system under a real path, by /proc/self/mountinfo's text."""
    best, found = -1, ""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        escaped = left.split(" ")[4]  # \040 is a space
        point = Path(re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), escaped))
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), right.split(" ")[0]
    return found


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another program's lock was in the way, so that nothing happened."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


class SqliteFile:
    """One database file, shared by the threads of one backend."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None

    def __str__(self) -> str:
        return str(self.path)

    def inspect(self) -> None:
        """Say in one sentence why this file will not do (Rejected), before SQLite sees it."""
        if sqlite3.sqlite_version_info < OLDEST:
            raise Rejected(
                f"this Python's SQLite is {sqlite3.sqlite_version}; Incumbent needs 3.35 or newer"
            )
        self.path = self.path.absolute()  # a later chdir must not lead to another file
        folder = self.path.parent
        if not folder.is_dir():
            raise Rejected(f"the folder {folder} does not exist; make it, or name another file")
        self._inspect_filesystem(folder)
        try:
            found = self.path.stat()
        except FileNotFoundError:
            pass
        except OSError as error:
            raise Rejected(f"{self} cannot be reached: {error.strerror}") from error
        else:
            self._inspect_file(found)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise Rejected(f"the folder {folder} is read-only for this user; SQLite writes beside")

    def _inspect_file(self, found: os.stat_result) -> None:
        if stat.S_ISDIR(found.st_mode):
            raise Rejected(f"{self} is a folder; name a file in it")
        if not stat.S_ISREG(found.st_mode):
            raise Rejected(f"{self} is not a regular file")
        if 0 < found.st_size < SMALLEST:  # SQLite would take it for empty, and overwrite it
            raise Rejected(f"{self} is not a SQLite database")
        if not os.access(self.path, os.R_OK | os.W_OK):
            raise Rejected(f"{self} is read-only for this user; a gateway writes to it")

    def _inspect_filesystem(self, folder: Path) -> None:
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            raise Rejected(f"{self} is on a file system that is mounted read-only")
        try:
            mounts = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
        except OSError:
            return  # not Linux: it cannot be told
        kind = filesystem_of(Path(os.path.realpath(self.path)), mounts)
        if kind in NETWORK:
            raise Rejected(
                f"{self} is on a network file system ({kind}); a SQLite store serves the gateways"
                " of one host from a local disk: move it there, or use a store with a server"
            )

    def connect(self, *, read_only: bool, patience: float) -> sqlite3.Connection:
        """Open a connection for the calling thread; every statement commits by itself.

        SQLite waits for `patience` seconds for another program's lock. Only the first connection
        of a start may make the file.
        """
        self.verify()
        mode = "rwc" if self._identity is None else "rw"
        uri = f"file:{quote(str(self.path))}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, timeout=patience, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA trusted_schema = OFF")
            if read_only:
                connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
        return connection

    def opened(self) -> None:
        """Remember which file it is. From now on errors are those of a running gateway."""
        found = self.path.stat()
        self._identity = (found.st_dev, found.st_ino)

    def verify(self) -> None:
        """Rejected when the path leads to another file than the one that was opened, or to none.

        Two gateways would otherwise go on with two files, each granting the same tokens.
        """
        if self._identity is None:
            return
        try:
            found = self.path.stat()
        except FileNotFoundError as error:
            raise Rejected(f"{self} was deleted while in use; start the gateway anew") from error
        except OSError as error:
            raise Unavailable(f"{self} cannot be reached: {error.strerror}") from error
        if (found.st_dev, found.st_ino) != self._identity:
            raise Rejected(f"{self} was replaced while in use; start the gateway anew")

    def translate(self, error: sqlite3.Error) -> BackendError:
        """Say what SQLite's error means for a verb: Unavailable or Rejected, without SQL."""
        extended: int | None = getattr(error, "sqlite_errorcode", None)
        code = None if extended is None else extended & 0xFF
        if extended == sqlite3.SQLITE_READONLY_DBMOVED:
            return Rejected(f"{self} was moved while in use; start the gateway anew")
        if code in _LATER:
            kind = Rejected if self._identity is None and code in _AT_START else Unavailable
            return kind(f"the database {self} {_LATER[code]}")
        if code in _PERMANENT:
            return Rejected(f"{self} {_PERMANENT[code]}")
        return Rejected(f"the tables in {self} are not as Incumbent made them ({error})")
