"""Numbers as people read them: three digits, the unit that fits, no more than was measured."""

_TIMES = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9}
_SHOWN = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
_RATES = ("/s", "a second")
SPACE = "\N{NO-BREAK SPACE}"
NONE = "\N{EN DASH}"


def is_time(unit: str) -> bool:
    """Whether values of this unit are durations, which are shown in whatever unit fits."""
    return unit in _TIMES


def is_rate(unit: str) -> bool:
    """Whether values of this unit say how much is done in a second."""
    return unit in _RATES


def beside(unit: str) -> str:
    """What stands beside each value: the unit of a duration, which changes with its size.

    Any other unit is said once, with the name of what it counts.
    """
    return unit if is_time(unit) else ""


def seconds(unit: str) -> float:
    """How long one of this unit is."""
    return _TIMES[unit]


def digits(value: float) -> str:
    """Three digits that count, with commas between thousands."""
    size = abs(value)
    if value == 0:
        return "0"
    if size >= 99.95 or value == round(value):
        return f"{value:,.0f}"
    if size >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.995 else f"{value:.3g}"


def amount(value: float, unit: str) -> str:
    """A value with its unit: `6.31 ms`, `15.0 s`, `4,066/s`, `33.4 kB`."""
    shown, scale = _scaled(value, unit)
    return _with_unit(digits(value * scale), shown)


def spread(low: float, high: float, unit: str) -> str:
    """From … to …, the unit said once where it is the same, and one value once as well."""
    if low == high:
        return amount(low, unit)
    (one, first), (two, second) = _scaled(low, unit), _scaled(high, unit)
    if one != two:
        return f"{amount(low, unit)} – {amount(high, unit)}"
    return _with_unit(f"{digits(low * first)} – {digits(high * second)}", two)


def tick(value: float, unit: str) -> str:
    """A value for an axis, whose title says what it counts: `10 ms`, `0.5`, `20k`."""
    if value == 0:
        return "0"
    if is_time(unit):
        shown, scale = _scaled(value, unit)
        return _with_unit(f"{value * scale:.4g}", shown)
    if abs(value) >= 10_000:
        return f"{value / 1000:,.4g}k"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def times(ratio: float, *, bound: float) -> str:
    """A ratio: percent where the goal is a part of the peer, else a multiple."""
    return f"{ratio:.0%}" if bound <= 1 else f"{digits(ratio)}{SPACE}×"


def off(value: float, bound: float, *, ratio: bool) -> str:
    """How far a value is from its bound, where they are ratios of a peer or values of their own."""
    if ratio and bound <= 1:
        return f"{abs(value - bound) * 100:.1f} points"
    return f"{abs(value / bound - 1):.0%}"


def parameter(value: float | str) -> str:
    """A setting as it was given."""
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def _scaled(value: float, unit: str) -> tuple[str, float]:
    """The unit to show, and what to multiply by; of `µs each` the first word is scaled."""
    first, space, rest = unit.partition(" ")
    if not is_time(first) or not value:
        return unit, 1.0
    long = abs(value) * _TIMES[first]
    shown, size = next((pair for pair in _SHOWN if long >= pair[1] * 0.9995), _SHOWN[-1])
    return f"{shown}{space}{rest}", _TIMES[first] / size


def _with_unit(text: str, unit: str) -> str:
    glued = unit.startswith(("/", "%"))
    return f"{text}{unit}" if glued or not unit else f"{text}{SPACE}{unit}"
