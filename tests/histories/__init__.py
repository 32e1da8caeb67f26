"""The history checker: what every run left behind, held against the seven laws.

A history is what the processes of a run recorded: clients, registers, observers, whoever broke
things, and the store where its own account is to be had. The simulation records the same events as
runs on real processes do, and the same laws judge both.

The format is JSON lines: one event a line, UTF-8, each line ended by a newline. A process writes a
file of its own, or several; a history is any number of files, read as one in the order of `at`.
Events of the same instant keep their order in their file, and files the order in which they were
named. Every line has

    at     the instant: seconds of CLOCK_BOOTTIME, which all processes of a machine share, or
           virtual seconds. A float. The events say on which side of what they tell it is read.
    who    the process; where one process runs several clients, the client. Never two at one name.
    what   the kind of event, one of `events.KINDS`
    note   optional: a remark for people

and the fields of its kind, no others; a field with a default may be left out. Instants (`until`,
`sent`) are on the clock of `at`, durations are seconds, tokens are positive integers, and null
stands for "none". The last line of a file may be cut off, as kill -9 leaves it; anything else that
is not an event makes the whole history unreadable.

    events.py       every kind of event: its fields, when to record it, which law reads it
    recorder.py     writes such lines; needs the standard library alone
    reader.py       reads the files of a run
    history.py      the events in order, with the beliefs and operations made of them
    laws/           one module a law, each a pure function over a history
    verdict.py      what was there to judge, and what was broken
    story.py        one violation, told so that a person can read it
    __main__.py     python -m tests.histories FILE...
"""
