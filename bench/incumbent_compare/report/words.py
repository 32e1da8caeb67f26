"""What the report says in words of its own: what each scenario does, and how it was measured."""

_TITLES = {
    "campaign": "Entering a vacant election",
    "handover": "Hand-over",
    "failover": "Failover",
    "heartbeats": "Heartbeats",
    "terms": "Terms held",
    "observers": "Observers",
    "crowd": "Many leaders die at once",
    "idle": "Nothing happens",
    "churn": "Streams that come and go",
}
_ABOUT = {
    "campaign": "One candidate at a time enters an election of its own, on gateways and stores that"
    " do nothing else: from handing over the request until the candidate has read that it leads.",
    "handover": "The leader resigns while another candidate waits: until that one has read that it"
    " leads.",
    "failover": "A leader, or its gateway, is killed with kill -9 while another candidate waits:"
    " until that one has read that it leads. Under KEEP the dead client's own ttl decides, under"
    " RELEASE its connection; when a gateway dies, the store's ttl does, or the store's session.",
    "heartbeats": "Streams that lead send heartbeats as fast as they are answered, one in flight on"
    " each. The floor is an empty handler of the same service: what gRPC costs by itself.",
    "terms": "What it costs to hold terms, and how that grows with their number.",
    "observers": "The leader of an election changes: until all who observe it have been told.",
    "crowd": "A crowd of leaders is killed at once: until their elections are led again.",
    "idle": "What gateway and store cost while candidates lead and wait, and nothing changes.",
    "churn": "Streams are opened, read and cancelled: what memory a gateway keeps of them.",
}
_UNKNOWN = "This report has no words of its own for this scenario; its figures are these."
METHOD = """\
Gateways and the floor are real programs in processes of their own, and so are clients that are
killed. All of them share this machine's cores, with the stores where those run here too.

What is compared ran in turn, repetition by repetition, so that a busy minute hits all of it. What
mostly waits ran side by side.

The median is that of all samples; its range is that of the repetitions' own medians, and says how
far they differ. The p99 stands where there are 100 samples at least; of fewer the largest is given,
as such.

A direct peer is a client that talks to the same server without a gateway, by the means that the
server offers. It rarely promises what the gateway does.

A goal against a peer is judged on the ratio within each repetition, and the median of those.

CPU is user and system time of all threads of a process, divided by the operations; the client's is
that of the program that measures. Requests are what the store itself counted; the remarks say what.

One machine has no network between its processes: on several hosts each round trip adds to every
figure.
"""


def title(name: str) -> str:
    """What people call the scenario."""
    return _TITLES.get(name, name)


def about(name: str) -> str:
    """What happens in it."""
    return _ABOUT.get(name, _UNKNOWN)


def place(name: str) -> int:
    """Where it stands on the page: the known ones first."""
    known = list(_TITLES)
    return known.index(name) if name in _TITLES else len(known)


def method() -> list[str]:
    """How it was measured, a paragraph each."""
    return [" ".join(paragraph.split()) for paragraph in METHOD.strip().split("\n\n")]
