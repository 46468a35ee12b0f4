"""Why a service gave no answer. A failure holds nothing of the request, so that no key and no text is in it."""

from __future__ import annotations

from .answers import ERROR, TIMEOUT

# What mentions get for each kind of failure:
# timeout: no answer in time. busy: the service asks for a pause (429). waiting: our own limit of rate leaves no time.
# open: the host has failed too often and is left alone. server: 5xx. connection: none, or broken before the answer.
# answer: not in the form of the service. setup: 400, 401, 403, no key. refused: the address may not be reached.
STATUS_OF = {
    "timeout": TIMEOUT,
    "busy": TIMEOUT,
    "waiting": TIMEOUT,
    "open": TIMEOUT,
    "server": ERROR,
    "connection": ERROR,
    "answer": ERROR,
    "setup": ERROR,
    "refused": ERROR,
}
# What may pass by itself within seconds: sent again.
RETRIED = frozenset({"busy", "server", "connection"})
# What only a person can mend.
SETUP = frozenset({"setup", "refused"})


class Failure(Exception):
    """No answer. kind: One of `STATUS_OF`. problem: For people. retry_after: Seconds that the service asks for."""

    def __init__(self, kind: str, problem: str, retry_after: float | None = None) -> None:
        super().__init__(problem)
        self.kind = kind
        self.problem = problem
        self.retry_after = retry_after
