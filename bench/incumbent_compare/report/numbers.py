"""Numbers as people read them: three digits, the unit that fits, no more than was measured."""

_TIMES = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9}
_SHOWN = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
SPACE = "\N{NO-BREAK SPACE}"
NONE = "\N{EN DASH}"


def is_time(unit: str) -> bool:
    """Whether values of this unit are durations, which are shown in whatever unit fits."""
    return unit in _TIMES


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
    return _with_unit(_said(value * scale, unit), shown)


def spread(low: float, high: float, unit: str) -> str:
    """From … to …, the unit said once where it is the same."""
    (one, first), (two, second) = _scaled(low, unit), _scaled(high, unit)
    if one != two:
        return f"{amount(low, unit)} – {amount(high, unit)}"
    return _with_unit(f"{_said(low * first, unit)} – {_said(high * second, unit)}", two)


def tick(value: float, unit: str) -> str:
    """A value for an axis: `10 ms`, `0.5`, `20k/s`."""
    shown, scale = _scaled(value, unit)
    value *= scale
    if not is_time(unit) and abs(value) >= 10_000:
        return _with_unit(f"{value / 1000:.4g}k", shown)
    return _with_unit(f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}", shown)


def times(ratio: float, *, bound: float) -> str:
    """A ratio: percent where the goal is a part of the peer, else a multiple."""
    return f"{ratio:.0%}" if bound <= 1 else f"{digits(ratio)}{SPACE}×"


def parameter(value: float | str) -> str:
    """A setting as it was given."""
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def _said(value: float, unit: str) -> str:
    # A duration is never whole by itself: 8.00 ms, not 8 ms.
    return f"{value:.2f}" if is_time(unit) and 0.995 <= abs(value) < 9.995 else digits(value)


def _scaled(value: float, unit: str) -> tuple[str, float]:
    """The unit to show, and what to multiply by."""
    if not is_time(unit):
        return unit, 1.0
    seconds = abs(value) * _TIMES[unit]
    for shown, size in _SHOWN:
        if seconds >= size * 0.9995:
            return shown, _TIMES[unit] / size
    shown, size = ("µs", 1e-6) if seconds else (unit, _TIMES[unit])
    return shown, _TIMES[unit] / size


def _with_unit(text: str, unit: str) -> str:
    glued = unit.startswith(("/", "%"))
    return f"{text}{unit}" if glued or not unit else f"{text}{SPACE}{unit}"
