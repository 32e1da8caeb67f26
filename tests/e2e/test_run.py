"""`incumbent run`: COMMAND runs only while it leads, whole and undisturbed, and nothing is left."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import incumbent
from tests.clients import an_election
from tests.commands import PROGRAM, Commands, Deaths, await_waiting
from tests.gateways import Gateway


@pytest.fixture
def client(gateway: Gateway) -> Iterator[incumbent.Client]:
    with incumbent.Client(gateway.grpc) as client:
        yield client


@pytest.fixture
def election() -> str:
    return an_election()


def test_command_runs_while_it_leads_and_is_told_as_whom(
    client: incumbent.Client, commands: Commands, election: str
) -> None:
    words = ["sh", "-c", "env | grep ^INCUMBENT_; echo; read line"]
    run = commands.begin("run", "--election", election, "--candidate", "a", "--", *words)
    told = dict(line.split("=", 1) for line in iter(run.line, ""))
    leader = client.leader(election)
    assert leader is not None
    assert told == {
        "INCUMBENT_CANDIDATE": "a",
        "INCUMBENT_ELECTION": election,
        "INCUMBENT_GATEWAY": commands.environ["INCUMBENT_GATEWAY"],
        "INCUMBENT_TOKEN": str(leader.token),
    }
    run.write("go\n")
    assert run.ended() == (0, "", "")
    assert client.leader(election) is None


def test_consul_lock_exit_code_lost(commands: Commands, election: str) -> None:
    """COMMAND's exit code is that of `run`; 128 + N where signal N ended it."""
    assert commands.ask("run", "--election", election, "--", "sh", "-c", "exit 7")[0] == 7
    assert commands.ask("run", "--election", election, "--", "sh", "-c", "kill -USR1 $$")[0] == 138
    assert commands.ask("run", "--election", election, "--", "true")[0] == 0


def test_consul_lock_stdin_swallowed(commands: Commands, election: str) -> None:
    """Not a byte of the input is taken from COMMAND, nor of its outputs."""
    script = "import sys; sys.stderr.write('oops'); sys.stdout.write(sys.stdin.read())"
    run = commands.begin("run", "--election", election, "--", sys.executable, "-c", script)
    text = "line\n" * 20_000
    out, err = run.process.communicate(text, timeout=30)
    assert (run.process.returncode, out, err) == (0, text, "oops")


def test_no_shell_touches_the_words(commands: Commands, election: str) -> None:
    words = ["a b", "$HOME", "*", "", "--help", "--election", "-x", "--", "é"]
    script = "import sys; print(sys.argv[1:])"
    code, out, _ = commands.ask(
        "run", "--election", election, "--", sys.executable, "-c", script, *words
    )
    assert (code, out) == (0, f"{words}\n")


def test_the_dashes_may_be_left_out(commands: Commands, election: str) -> None:
    assert commands.ask("run", "--election", election, "echo", "-n", "--ttl") == (0, "--ttl", "")


def test_consul_2022_and_873_a_child_is_not_left_alive(
    client: incumbent.Client, commands: Commands, election: str
) -> None:
    """COMMAND ends, its child and its daemon do not: they are dead before the term is resigned."""
    run, family = commands.run_family(election, "--grace", "0.5s", stubborn=True)
    observer = commands.begin("observe", election)
    assert observer.answer()["leader"] is not None
    assert observer.answer() == {"synced": True}
    os.kill(family.pids["command"], signal.SIGKILL)
    assert observer.answer()["leader"] is None
    family.deaths.wait(0)
    assert run.ended()[0] == 137


def test_command_is_in_a_process_group_of_its_own(commands: Commands, election: str) -> None:
    script = "import os; print(os.getpgrp() == os.getpid())"
    asked = commands.ask("run", "--election", election, "--", sys.executable, "-c", script)
    assert asked == (0, "True\n", "")


def test_what_nohup_ignores_stays_ignored(commands: Commands, election: str) -> None:
    script = "import signal; print(*(signal.getsignal(n).name for n in (1, 15)))"
    words = ["run", "--election", election, "--", sys.executable, "-c", script]
    ignoring = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", sys.executable, "-m", "incumbent._cli"]
    assert commands.ask(*words, program=ignoring) == (0, "SIG_IGN SIG_DFL\n", "")


def test_descriptors_go_on_to_command_and_none_of_ours(commands: Commands, election: str) -> None:
    script = "import os; print(sorted(int(n) for n in os.listdir('/proc/self/fd')))"
    words = ["run", "--election", election, "--", sys.executable, "-c", script]
    plain = commands.ask(*words)
    ours, other = os.pipe()
    passed = commands.ask(*words, pass_fds=[ours])
    os.close(ours)
    os.close(other)
    assert plain == (0, "[0, 1, 2, 3]\n", "")  # the last one is that of the folder
    assert str(ours) in passed[1]


@pytest.mark.parametrize(("word", "code"), [("/nowhere/at/all", 127), ("no-such-command", 127)])
def test_a_command_that_is_not_there_is_found_out_before_campaigning(
    commands: Commands, election: str, word: str, code: int
) -> None:
    nobody = ["--gateway", "127.0.0.1:1"]
    ended, out, err = commands.ask("run", *nobody, "--election", election, "--", word)
    assert (ended, out, err) == (code, "", f"incumbent: {word} is not found\n")


def test_a_command_that_cannot_be_executed(
    client: incumbent.Client, commands: Commands, election: str, tmp_path: Path
) -> None:
    file = tmp_path / "data"
    file.write_text("no program")
    words = ["run", "--election", election, "--", file]
    assert commands.ask(*words) == (126, "", f"incumbent: {file} is not executable\n")
    file.chmod(0o755)  # Now only the kernel finds out, once it leads.
    code, out, err = commands.ask(*words)
    assert (code, out, err.count("\n")) == (126, "", 1)
    assert client.leader(election) is None


def test_it_waits_for_its_turn(client: incumbent.Client, commands: Commands, election: str) -> None:
    with client.campaign(election) as term:
        words = ["sh", "-c", "echo $INCUMBENT_TOKEN"]
        run = commands.begin("run", "--election", election, "--", *words)
        await_waiting(client, election, 1)
        token = term.token
    code, out, err = run.ended()
    assert (code, err) == (0, "")
    assert int(out) > token


@pytest.mark.parametrize(
    ("options", "code"),
    [([], 1), (["--conflict-exit-code", "9"], 9), (["--conflict-exit-code", "0"], 0)],
)
def test_no_wait_has_an_exit_code_of_its_own(
    client: incumbent.Client, commands: Commands, election: str, options: list[str], code: int
) -> None:
    with client.campaign(election):
        words = ["run", "--election", election, "--no-wait", *options, "--", "echo", "ran"]
        ended, out, err = commands.ask(*words)
    assert (ended, out, err.count("\n")) == (code, "", int(code != 0))
    assert commands.ask(*words) == (0, "ran\n", "")


def test_without_a_gateway(commands: Commands, election: str) -> None:
    words = ["run", "--election", election, "--gateway", "127.0.0.1:1", "--timeout", "0.5", "true"]
    code, out, err = commands.ask(*words)
    assert (code, out, err.count("\n")) == (69, "", 1)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["run", "--", "true"], "--election"),
        (["run", "--election", "demo"], "COMMAND"),
        (["run", "--election", "no//name", "--", "true"], "election"),
        (["run", "--election", "demo", "--ttl", "2h", "--", "true"], "ttl"),
        (["run", "--election", "demo", "--grace", "-1s", "--", "true"], "grace"),
        (["run", "--election", "demo", "--output", "json", "--", "true"], "--output"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(
    commands: Commands, words: list[str], fault: str
) -> None:
    code, out, err = commands.ask(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert fault in err


def test_the_guard_is_small_and_without_threads(commands: Commands, election: str) -> None:
    run, _ = commands.run_family(election)
    (guard,) = run.children()
    status = Path(f"/proc/{guard}/status").read_text()
    told = dict(line.split(":", 1) for line in status.splitlines())
    assert told["Threads"].strip() == "1"
    assert int(told["VmRSS"].split()[0]) < 25_000  # kB
    assert told["Name"].strip() == "incumbent-guard"
    assert "grpc" not in Path(f"/proc/{guard}/maps").read_text()


def test_nothing_is_left_once_it_is_over(commands: Commands, election: str) -> None:
    run, family = commands.run_family(election)
    guard = Deaths(run.children())
    run.send(signal.SIGTERM)
    assert run.ended()[0] == 128 + signal.SIGTERM
    family.deaths.wait(0)
    guard.wait(0)


def test_a_shell_script_may_run_it_in_the_background(commands: Commands, election: str) -> None:
    """A shell has INT ignored there: it stays so, and TERM ends it."""
    script = '"$@" & echo $!; wait $!; echo $?'
    words = [PROGRAM, "run", "--election", election, "--", "sh", "-c", "echo runs; exec sleep 60"]
    shell = commands.begin(*words, program=["sh", "-c", script, "sh"])
    pid = int(shell.line())
    assert shell.line() == "runs"
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGTERM)
    assert shell.ended() == (0, "143\n", "")
