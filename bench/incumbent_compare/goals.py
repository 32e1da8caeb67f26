"""What the figures should reach, by store."""

from incumbent_compare.results import Goal, Quantity

_HANDOVER = {"sqlite": (25, 100), "consul": (50, 150)}  # p50 and p99; ms
_OTHERS = (10, 50)


def at_most(bound: float, statistic: str = "p50", over: str | None = None) -> Goal:
    """Make a goal."""
    return Goal.model_validate({"statistic": statistic, "bound": bound, "over": over})


ABOVE_DIRECT = at_most(1.5)  # ms beyond what a bare stream costs
OF_THE_FLOOR = Goal(statistic="p50", at_least=True, bound=0.7, over="floor")
KEEP = at_most(1250.0, "max")  # ms, with a ttl of 1 s
LOST = at_most(0.0, "max")
HELD_CPU = at_most(15.0)  # % of a core, 5,000 terms half-closed
HELD_MEMORY = at_most(50.0)  # kB a term, or a stream
RECEIVED = at_most(1000.0, "max")  # ms until the last of 10,000 observers knows
IDLE_CPU = at_most(5.0)  # % of a core, 1,000 elections with 3 candidates each
IDLE_WRITES = at_most(1.0)  # a second


def handover(store: str) -> tuple[Goal, Goal]:
    """Between two gateways."""
    p50, p99 = _HANDOVER.get(store, _OTHERS)
    return at_most(p50), at_most(p99, "p99")


def release(store: str) -> Goal:
    """After kill -9 of a RELEASE client."""
    return at_most(300.0 if store == "consul" else 150.0, "p99")


def writes_a_heartbeat(terms: int) -> Goal:
    """However many terms a gateway holds, it renews one session."""
    return at_most(1 / terms)


def with_goals(quantity: Quantity, *goals: Goal) -> Quantity:
    """The same quantity, with what it should reach."""
    return (
        quantity.model_copy(update={"goal": goals[0], "further": goals[1:]}) if goals else quantity
    )
