"""How a service is reached: `spacy_nlpkit.RemoteConnection.v1`. Every value is checked when the config is read."""

import math
import re
from dataclasses import dataclass

from ...about import __version__
from ...errors import Errors, NlpkitError

_LIMITS = {
    "connect_timeout": (0.01, 60),
    "read_timeout": (0.01, 300),
    "budget": (0.01, 3600),
    "retries": (0, 10),
    "rate": (0.01, 60_000),
    "burst": (1, 10_000),
    "breaker_failures": (1, 1000),
    "breaker_seconds": (0, 86_400),
    "cache_megabytes": (1, 1_000_000),
    "hit_days": (0, 3650),
    "miss_days": (0, 3650),
}
_WHOLE = ("retries", "burst", "breaker_failures")


@dataclass(frozen=True)
class RemoteConnection:
    """Time limits, limits of rate, cache and allowed hosts; see `create_remote_connection`."""

    connect_timeout: float = 3.0
    read_timeout: float = 5.0
    budget: float = 30.0
    retries: int = 3
    rate: float | None = None
    burst: int | None = None
    breaker_failures: int = 5
    breaker_seconds: float = 60.0
    cache: str | None = None
    cache_megabytes: float = 100.0
    hit_days: float = 7.0
    miss_days: float = 1.0
    offline: bool = False
    allow_hosts: tuple[str, ...] = ()
    contact: str = ""

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if value is None:
                continue
            wrong_type = isinstance(value, bool) or not isinstance(value, int if name in _WHOLE else (int, float))
            if wrong_type or math.isnan(value) or not low <= value <= high:
                kind = "a whole number" if name in _WHOLE else "a number"
                expected = f"{kind} from {low} to {high}"
                raise NlpkitError(Errors.N180.format(setting=name, value=value, expected=expected))
        if not re.fullmatch(r"[\x20-\x7e]*", self.contact):
            raise NlpkitError(Errors.N180.format(setting="contact", value=self.contact, expected="plain ASCII"))
        if self.offline and self.cache is None:
            raise NlpkitError(Errors.N182)

    @property
    def user_agent(self) -> str:
        """What requests say of their sender: the package, its version, and whom to write to."""
        product = f"spacy-nlpkit/{__version__}"
        return f"{product} ({self.contact})" if self.contact else f"{product} (spaCy component kg_linker)"


def check_language(language: str) -> str:
    """A language code such as `en` or `zh-hans`. RAISES: N180 for anything else."""
    if not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*", language):
        raise NlpkitError(Errors.N180.format(setting="language", value=language, expected="codes such as en"))
    return language


def create_remote_connection(
    connect_timeout: float = 3.0,
    read_timeout: float = 5.0,
    budget: float = 30.0,
    retries: int = 3,
    rate: float | None = None,
    burst: int | None = None,
    breaker_failures: int = 5,
    breaker_seconds: float = 60.0,
    cache: str | None = None,
    cache_megabytes: float = 100.0,
    hit_days: float = 7.0,
    miss_days: float = 1.0,
    offline: bool = False,
    allow_hosts: list[str] | None = None,
    contact: str = "",
) -> RemoteConnection:
    """`spacy_nlpkit.RemoteConnection.v1`: how a remote graph reaches its service.

    connect_timeout, read_timeout (float): Seconds until a connection stands, and between two parts of an answer.
    budget (float): Seconds for all requests of one batch with their retries and waits; what is not answered by then
        has the status `timeout`.
    retries (int): How often a request is sent again after 429, 5xx or a failed connection.
    rate (float): Requests a minute to the host. burst (int): How many may follow each other without a wait; at most
        burst + rate are sent in any minute. None: what suits the service.
    breaker_failures (int), breaker_seconds (float): After so many failures in a row, the host is left alone so long.
    cache (str): SQLite file of answers, shared by processes together with the limits of rate; None: in memory, for
        each process alone. cache_megabytes: The oldest answers go where it would grow larger.
    hit_days, miss_days (float): How long an answer with results, and one without, is used again.
    offline (bool): Answer from the cache alone.
    allow_hosts (list[str]): Hosts (or host:port) that may be on a private network, and may speak plain http;
        None for no such host.
    contact (str): Mail or web address in the User-Agent, which Wikimedia asks for.
    RAISES: N180 for a value out of range, N182 for offline without a cache.
    """
    return RemoteConnection(
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        budget=budget,
        retries=retries,
        rate=rate,
        burst=burst,
        breaker_failures=breaker_failures,
        breaker_seconds=breaker_seconds,
        cache=cache,
        cache_megabytes=cache_megabytes,
        hit_days=hit_days,
        miss_days=miss_days,
        offline=offline,
        allow_hosts=tuple(host.lower() for host in allow_hosts or ()),
        contact=contact,
    )
