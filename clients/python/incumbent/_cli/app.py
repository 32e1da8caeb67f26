"""The command as a whole: its sub-commands, and what becomes of whatever goes wrong."""

import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

import click

from incumbent import IncumbentError
from incumbent._cli import campaign, follow, questions, run
from incumbent._cli.exits import Exit, exit_of
from incumbent._cli.options import options
from incumbent._cli.program import NoProgram
from incumbent._cli.say import PROGRAM, say, say_warnings
from incumbent._cli.signals import Signalled

_WIDE: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(
    params=options(),
    context_settings=_WIDE,
    epilog="These options may stand before the sub-command or after it. Durations are written 10s, "
    "500ms, 1m or 1h. Examples and exit codes: incumbent COMMAND --help.",
)
@click.version_option(version(PROGRAM), prog_name=PROGRAM)
def incumbent(**_: Any) -> None:
    """Lead elections, run programs while leading, and ask who leads."""


for _command in (
    campaign.campaign,
    run.run,
    follow.observe,
    questions.leader,
    questions.resign,
    questions.verify,
    questions.elections,
    questions.backend,
):
    incumbent.add_command(_command)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code. Whatever is wrong is one sentence on standard error."""
    say_warnings()
    try:
        code = incumbent.main(argv, prog_name=PROGRAM, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        if sys.stderr is not None:
            print(error.format_message(), file=sys.stderr)
        return Exit.USAGE
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        see = f"; see {where} --help" if where else ""
        return _refuse(error.format_message().rstrip(".") + see, Exit.USAGE)
    except Signalled as ended:
        if ended.number == signal.SIGPIPE:
            _forget_output()
        return Exit.SIGNALLED + ended.number
    except click.Abort:  # Ctrl-C, before there was anything to end
        return Exit.SIGNALLED + signal.SIGINT
    except IncumbentError as error:
        return _refuse(str(error), exit_of(error))
    except NoProgram as error:
        return _refuse(str(error), error.exit_code)
    except (ValueError, OSError) as error:
        return _refuse(str(error), Exit.USAGE)
    return int(code or 0)


def _refuse(sentence: str, code: Exit) -> Exit:
    say(" ".join(sentence.split()).rstrip("."))
    return code


def _forget_output() -> None:
    """Nobody reads it: have nobody complain about that when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
