"""A SQLite file of the comparison's own, and beside it the file of its lease rows."""

import sqlite3
import struct
from functools import partial
from pathlib import Path

from incumbent_compare.peers import lease_row
from incumbent_compare.peers import sqlite as peers
from incumbent_compare.targets.target import Count, Target

# The header of a WAL's index, as SQLite's own documentation has it: iChange grows with each
# transaction, mxFrame is the log's last frame, and the first salt grows when it begins anew.
_HEADER = struct.Struct("=8xI2xHI")
_SALT = struct.Struct(">I")
_FRAME = 24  # bytes of a frame's header
_ANEW = 1000  # frames after which SQLite begins the log anew


class SqliteTarget(Target):
    """Its log is counted from outside, in the index that all its processes share."""

    name = "sqlite"
    counts = "transactions, by the change counter of the WAL's index"

    def __init__(self, _: str, folder: Path) -> None:
        file = folder.absolute() / "gateway.db"
        super().__init__(f"sqlite:///{file}", folder)
        self._own = folder / "lease.db"
        self._kept: sqlite3.Connection | None = None
        self._logs = [_Log(file), _Log(self._own)]
        self.peers = (lease_row.peer(partial(peers.row, self._own)),)

    async def prepare(self) -> str:
        # It stays open, so that the log of the file stays as well.
        self._kept = peers.connect(self._own)
        self._kept.execute(peers.MAKE)
        return sqlite3.sqlite_version

    async def count(self) -> Count:
        one, other = (log.count() for log in self._logs)
        return one + other

    async def forget(self, namespace: str) -> None:
        """The file goes with its folder."""

    async def close(self) -> None:
        if self._kept is not None:
            self._kept.close()


class _Log:
    """The write-ahead log of one file, followed."""

    def __init__(self, file: Path) -> None:
        self._index = file.with_name(f"{file.name}-shm")
        self._total = Count(0.0, log_bytes=0.0)
        self._change = self._frame = self._salt = 0

    def count(self) -> Count:
        try:
            head = self._index.read_bytes()[:48]
        except FileNotFoundError:
            head = b""
        if len(head) < 48:
            return self._total
        change, page, frame = _HEADER.unpack_from(head)
        (salt,) = _SALT.unpack_from(head, 32)
        page = 65_536 if page == 1 else page
        again = (salt - self._salt) % 2**32 if self._salt else 0
        frames = frame - self._frame if self._salt else 0
        if 0 < again < 1000:  # more, and it is the log of a file that was closed and opened anew
            frames += again * _ANEW
        changes = (change - self._change) % 2**32 if self._salt else 0
        self._change, self._frame, self._salt = change, frame, salt
        done = Count(float(changes), log_bytes=float(max(0, frames) * (page + _FRAME)))
        self._total = self._total + done
        return self._total
