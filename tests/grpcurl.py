"""grpcurl as a client: the messages that it prints, as they come."""

import json
import subprocess
from collections.abc import Callable
from threading import Condition, Thread
from typing import Any

from tests.gateways import spawn

Message = dict[str, Any]


class Grpcurl:
    """One grpcurl process."""

    def __init__(self, program: str, *arguments: str) -> None:
        self.process = spawn([program, "-plaintext", *arguments])
        self.messages: list[Message] = []
        self._news = Condition()
        self._over = False
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        text = ""
        for line in self.process.stdout:
            text += line
            if line.startswith("}"):
                with self._news:
                    self.messages.append(json.loads(text))
                    self._news.notify_all()
                text = ""
        with self._news:
            self._over = True
            self._news.notify_all()

    def until(self, fits: Callable[[Message], bool], seconds: float = 10.0) -> Message:
        """Wait for the first message that fits."""

        def there() -> list[Message]:
            return [message for message in self.messages if fits(message)]

        with self._news:
            self._news.wait_for(lambda: bool(there()) or self._over, seconds)
            assert there(), (self.messages, self.errors() if self._over else "")
            return there()[0]

    def leads(self, seconds: float = 10.0) -> int:
        message = self.until(lambda each: each.get("state") == "STATE_LEADING", seconds)
        return int(message["term"]["token"])

    def errors(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def close(self) -> None:
        """End the process if it still runs, and everything that it was read through."""
        if self.process.poll() is None:
            self.kill()
        self._reader.join(5)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def run(program: str, *arguments: str) -> str:
    """Let grpcurl answer one question; its output."""
    ran = subprocess.run(
        [program, "-plaintext", *arguments], capture_output=True, text=True, timeout=20, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
