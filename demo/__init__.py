"""`make demo`: leaders killed, stopped and moved, everything real, and the history judged.

A gateway on a SQLite file and three candidates that append to a ledger behind a fence: each one a
process of its own, started as a user would start it. A conductor does to them what the world does,
waits for what they tell, and at the end holds what all of them recorded against the laws of
tests/histories.

    candidate.py    one candidate: campaigns, writes while it leads, records what it believes
      journal.py      its history: from the SDK's `on_trust` to lines of a file
      orders.py       what the conductor tells it, line by line on its standard input
    ledger.py       what candidates write to: refuses every token below the highest seen
    processes.py    starts processes, hears what they say, waits for it, ends them all
    stage.py        the gateways and candidates of one run
    events.py       what is done to them, one function an event
    conductor.py    the run: all events, then the history
    outcome.py      what an event led to; pure
    judgement.py    what must have come about; pure
    report.py       what people see of it
    __main__.py     python -m demo
"""
