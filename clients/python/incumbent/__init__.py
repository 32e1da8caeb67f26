"""The Python SDK of Incumbent, a leader-election gateway.

    with incumbent.Client("localhost:7400").campaign("scheduler", candidate="node-a") as term:
        while term.held:            # checked against the clock at the call
            work(fence=term.token)

`AsyncClient` has the same names for asyncio; there a loss cancels the body. What may be raised is
drawn in `incumbent.errors`.
"""

import incumbent._fork  # noqa: F401 isort: skip - before anything that imports gRPC
from incumbent._async import AsyncClient
from incumbent._async_term import AsyncTerm
from incumbent._sync import Client
from incumbent._sync_term import Term
from incumbent.errors import (
    CampaignTimeout,
    Closed,
    HeldByAnother,
    IncumbentError,
    InvalidArgument,
    LeadershipLost,
    NotElected,
    Refused,
    Unavailable,
)
from incumbent.values import (
    Backend,
    Election,
    Expiry,
    Leader,
    Observation,
    OnDisconnect,
    Tls,
    Trust,
    Verification,
)

__all__ = [
    "AsyncClient",
    "AsyncTerm",
    "Backend",
    "CampaignTimeout",
    "Client",
    "Closed",
    "Election",
    "Expiry",
    "HeldByAnother",
    "IncumbentError",
    "InvalidArgument",
    "Leader",
    "LeadershipLost",
    "NotElected",
    "Observation",
    "OnDisconnect",
    "Refused",
    "Term",
    "Tls",
    "Trust",
    "Unavailable",
    "Verification",
]
