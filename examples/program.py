"""What all examples do as programs: their arguments, a clean end, a word while they wait."""

import argparse
import asyncio
import os
import signal
import socket
import sys

import incumbent

ENDS = (signal.SIGINT, signal.SIGTERM)


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Take what every example takes."""
    name = f"{socket.gethostname()}-{os.getpid()}"  # no two processes of a host have one pid
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--gateway", default="127.0.0.1:7400", help="default: %(default)s")
    parser.add_argument("--node", default=name, help="a label; default: host name and pid")
    return parser


def end_by_exit() -> None:
    """Have SIGTERM and Ctrl-C end the process by SystemExit: it leaves its term, which resigns.

    By default SIGTERM ends a Python process at once: its successor would wait for the whole ttl.
    """
    for number in ENDS:
        signal.signal(number, lambda number, _: sys.exit(128 + number))


def end_loop_by_exit() -> None:
    """Have the same within asyncio: the loop ends, not one task, and cancels all that it runs."""
    for number in ENDS:
        asyncio.get_running_loop().add_signal_handler(number, sys.exit, 128 + number)


def greet(node: str, gateway: str) -> None:
    """Say what is waited for: a gateway, or leadership."""
    with incumbent.Client(gateway, timeout=2) as client:
        try:
            client.backend()
        except incumbent.Unavailable:
            print(f"{node}: no gateway answers at {gateway} yet; waits for one", flush=True)
        else:
            print(f"{node} waits to lead", flush=True)
