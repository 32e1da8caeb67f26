"""`incumbent run` on a terminal: COMMAND has the foreground while it runs, and gives it back."""

import os
import select
import shlex
import signal
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import an_election
from tests.commands import PATIENCE, PROGRAM, Commands, Process

# Says whether it has the foreground, reads a line, and says it.
READER = """
import os
print("in front:", os.tcgetpgrp(0) == os.getpgrp(), flush=True)
print("read:", input(), flush=True)
"""


class Terminal:
    """A terminal with a shell in it, which runs one script."""

    def __init__(self, commands: Commands, script: str) -> None:
        self._ours, theirs = os.openpty()
        self.modes = termios.tcgetattr(theirs)
        self._screen = ""
        setsid = ["setsid", "--ctty", "sh", "-c", script]
        standard = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
        self.shell: Process = commands.begin(program=setsid, **standard)
        self._theirs = theirs

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def shows(self, text: str) -> None:
        """Wait until this was shown; what came before is done with."""
        give_up = time.monotonic() + PATIENCE
        while text not in self._screen:
            left = give_up - time.monotonic()
            assert select.select([self._ours], [], [], max(0, left))[0], self._screen
            self._screen += os.read(self._ours, 65_536).decode()
        self._screen = self._screen.partition(text)[2]

    def now_modes(self) -> object:
        return termios.tcgetattr(self._theirs)

    def close(self) -> None:
        os.close(self._ours)
        os.close(self._theirs)


@pytest.fixture
def terminals(commands: Commands) -> Iterator["Terminals"]:
    terminals = Terminals(commands)
    yield terminals
    terminals.close()


class Terminals:
    """The terminals of one test."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._all: list[Terminal] = []

    def open(self, script: str, *command: str) -> Terminal:
        """Run a script; RUN in it is `incumbent run` of this command."""
        words = [str(PROGRAM), "run", "--election", an_election(), "--", *command]
        terminal = Terminal(self._commands, script.replace("RUN", shlex.join(words)))
        self._all.append(terminal)
        return terminal

    def close(self) -> None:
        for terminal in self._all:
            terminal.shell.process.kill()
            terminal.shell.process.wait(PATIENCE)
            terminal.close()


def test_command_has_the_foreground_and_the_shell_gets_it_back(terminals: Terminals) -> None:
    """Without job control the shell shares our group: only we can take it back."""
    terminal = terminals.open("RUN; read line; echo shell: $line", sys.executable, "-c", READER)
    terminal.shows("in front: True")
    terminal.type("one\n")
    terminal.shows("read: one")
    terminal.type("two\n")
    terminal.shows("shell: two")


def test_ctrl_c_is_for_command(terminals: Terminals) -> None:
    script = 'trap "echo caught; exit 5" INT; echo ready; while :; do sleep 0.05; done'
    terminal = terminals.open('trap : INT; RUN; echo "code: $?"', "sh", "-c", script)
    terminal.shows("ready")
    terminal.type("\x03")
    terminal.shows("caught")
    terminal.shows("code: 5")


def test_ctrl_c_ends_who_waits(terminals: Terminals, commands: Commands) -> None:
    election = an_election()
    leader = commands.begin("campaign", election)
    assert leader.answer()["state"] == "campaigning"
    assert leader.answer()["state"] == "leading"
    script = f"{PROGRAM} run --election {election} true"
    terminal = terminals.open(f'trap : INT; {PROGRAM} elections; {script}; echo "code: $?"')
    terminal.shows(election)
    terminal.shows(f"waiting to lead {election}")
    terminal.type("\x03")
    terminal.shows("code: 130")


def test_ctrl_z_suspends_both_and_fg_goes_on_with_both(terminals: Terminals) -> None:
    script = 'set -m; RUN; echo "code: $?"; fg >/dev/null; echo "code: $?"'
    terminal = terminals.open(script, sys.executable, "-c", READER)
    terminal.shows("in front: True")
    terminal.type("\x1a")
    terminal.shows(f"code: {128 + signal.SIGTSTP}")
    terminal.type("one\n")
    terminal.shows("read: one")
    terminal.shows("code: 0")


def test_a_job_in_the_background_that_reads_waits_for_fg(terminals: Terminals) -> None:
    script = 'set -m; RUN & wait; echo "code: $?"; fg >/dev/null; echo "code: $?"'
    terminal = terminals.open(script, sys.executable, "-c", READER)
    terminal.shows("in front: False")
    terminal.type("one\n")
    terminal.shows("read: one")


def test_a_killed_command_leaves_no_raw_terminal(terminals: Terminals) -> None:
    terminal = terminals.open('RUN; echo "code: $?"', "sh", "-c", "stty raw -echo; kill -KILL $$")
    terminal.shows("code: 137")
    assert terminal.now_modes() == terminal.modes


def test_a_command_that_could_not_be_started_leaves_the_terminal(
    terminals: Terminals, tmp_path: Path
) -> None:
    file = tmp_path / "data"
    file.write_text("no program")
    file.chmod(0o755)
    terminal = terminals.open('RUN; echo "code: $?"; read line; echo shell: $line', str(file))
    terminal.shows("code: 126")
    terminal.type("two\n")
    terminal.shows("shell: two")


def test_in_a_pipeline_the_foreground_stays_and_ctrl_c_is_passed_on(terminals: Terminals) -> None:
    """Our group is that of the other programs in it, which may need the terminal."""
    script = (
        "import os, signal\n"
        "print('in front:', os.tcgetpgrp(0) == os.getpgrp(), flush=True)\n"
        "signal.pause()"
    )
    terminal = terminals.open(
        "trap : INT; RUN | sh -c 'trap : INT; cat; echo over'", sys.executable, "-c", script
    )
    terminal.shows("in front: False")
    terminal.type("\x03")
    terminal.shows("over")


def test_in_a_pipeline_command_gets_the_terminal_once_it_reads(terminals: Terminals) -> None:
    terminal = terminals.open("RUN | cat", sys.executable, "-c", READER)
    terminal.shows("in front: False")
    terminal.type("one\n")
    terminal.shows("read: one")
