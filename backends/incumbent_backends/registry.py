"""Finds the driver for a backend URL among the installed entry points.

The group is `incumbent.backends`, the key is the URL's scheme, and the object is called as
`factory(url, options)`. The gateway names no driver: another distribution adds one by declaring
an entry point. No message of this module repeats a URL, because URLs hold passwords.
"""

import re
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

from incumbent_backends.api import Backend, Options, Rejected

__all__ = ["GROUP", "driver", "known_schemes", "open_backend"]

GROUP = "incumbent.backends"
_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://", re.IGNORECASE)

Factory = Callable[[str, Options], Backend]


def known_schemes() -> list[str]:
    """The schemes of all installed drivers, sorted."""
    return sorted(entry_points(group=GROUP).names)


def driver(url: str) -> Factory:
    """Return what makes a Backend of this URL, importing its module.

    Raises Rejected when the URL has no scheme, nobody serves the scheme, or the driver's module
    needs a package that is not installed.
    """
    scheme = _scheme(url)
    found = tuple(entry_points(group=GROUP, name=scheme))
    if not found:
        known = ", ".join(known_schemes()) or "none"
        raise Rejected(f"no driver for the backend scheme {scheme!r}; known ones: {known}")
    # Two with one key: which one is used must not hang on the order of sys.path.
    if len({entry.value for entry in found}) > 1:
        raise Rejected(
            f"several drivers claim the backend scheme {scheme!r}: {_distributions(found)}"
        )
    return _load(found[0], scheme)


def open_backend(url: str, options: Options) -> Backend:
    """Construct the driver: nothing is connected before `async with`."""
    return driver(url)(url, options)


def _scheme(url: str) -> str:
    match = _URL.match(url)
    if match is None:
        raise Rejected("a backend URL begins with a scheme, as in sqlite:////var/lib/incumbent.db")
    return match["scheme"].lower()


def _load(entry: EntryPoint, scheme: str) -> Factory:
    try:
        factory: Factory = entry.load()
    except ImportError as error:
        package = entry.dist.name if entry.dist else "incumbent-backends"
        extra = entry.extras[0] if entry.extras else scheme.partition("+")[0]
        missing = f" ({error.name} is missing)" if error.name else ""
        raise Rejected(
            f"the driver for {scheme!r} cannot be loaded{missing}: pip install '{package}[{extra}]'"
        ) from error
    except AttributeError as error:
        raise Rejected(f"the driver for {scheme!r} is broken: no {entry.value!r}") from error
    return factory


def _distributions(found: tuple[EntryPoint, ...]) -> str:
    return ", ".join(sorted(entry.dist.name if entry.dist else entry.value for entry in found))
