"""The one interface of all remote graphs: texts in, results and a status of each out, and never an error."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Sequence
from typing import Any

from ...errors import Warnings
from .addresses import parse_endpoint
from .answers import (
    NO_MATCH,
    OFFLINE,
    OK,
    TIMEOUT,
    MalformedError,
    RemoteAnswers,
    RemoteResult,
    clean_query,
)
from .cache import AnswerCache
from .client import Client
from .database import Database
from .failure import SETUP, STATUS_OF, Failure
from .limits import HostLimits
from .secret import Secret, read_key
from .settings import RemoteConnection
from .transport import Request, Transport

# What a process inherits from its parent is never used and never closed: closing would disturb the parent.
_INHERITED: list[Any] = []


class RemoteGraph:
    """A graph behind a web service. Subclasses say what is asked, and how an answer is read.

    Survives pickling and forking: connections and the cache file are opened anew in each process. Threads take turns.
    """

    service: str
    # Requests a minute, and how many may follow each other without a wait.
    default_rate: float = 60.0
    default_burst: int = 10
    # The header of the API key, and what stands before the key in it.
    key_header: tuple[str, str] = ("Authorization", "Bearer ")
    # How many texts go into one request.
    batch_size: int = 1

    def __init__(self, endpoint: str, key_variable: str | None, connection: RemoteConnection | None) -> None:
        """endpoint (str): Address of the service. key_variable (str): Name of the environment variable with the API
        key; None for a service that needs none. connection: How it is reached; None for the defaults.

        RAISES: N181 for an endpoint that is refused.
        """
        self.connection = connection or RemoteConnection()
        self.endpoint = parse_endpoint(endpoint, self.connection.allow_hosts)
        self.url = endpoint
        self.key_variable = key_variable
        self._process: _Process | None = None

    @property
    def variant(self) -> str:
        """What, beside the request, an answer's results depend on: in the key of the cache."""
        return ""

    def takes(self, text: str) -> bool:
        """Whether a text is of a kind that the service knows; others are not sent, and get `no_match`."""
        return True

    def request(self, texts: Sequence[str], k: int) -> Request:
        """What is asked for at most `batch_size` texts."""
        raise NotImplementedError

    def parse(self, answer: Any, texts: Sequence[str], k: int, dropped: list[str]) -> list[list[RemoteResult] | None]:
        """The results of each text, at most k, None for one that failed; problems of results left out go to `dropped`.

        RAISES: MalformedError for an answer that is not the service's as a whole.
        """
        raise NotImplementedError

    def detail_requests(self, found: Sequence[RemoteResult]) -> list[Request]:
        """What is asked once more, of all that was found for a batch, before it is stored."""
        return []

    def add_details(self, answer: Any, found: Sequence[RemoteResult], dropped: list[str]) -> list[RemoteResult]:
        """The results with what an answer to a request for details says. RAISES: MalformedError as `parse`."""
        raise NotImplementedError

    def search(self, texts: Sequence[str], k: int = 5) -> RemoteAnswers:
        """Ask for each distinct text once; the text alone is sent. Never raises for what a service does.

        k (int): Results wanted of each text. Texts that are empty, or longer than `answers.MAX_QUERY`, are not sent.
        """
        deadline = time.monotonic() + self.connection.budget
        cleaned = [clean_query(text) for text in texts]
        distinct = [text for text in dict.fromkeys(cleaned) if text and self.takes(text)]
        process = self._current()
        batch = _Batch(self, process, k, deadline)
        if process.lock.acquire(timeout=self.connection.budget):
            try:
                batch.run(distinct)
            finally:
                process.lock.release()
            status = {text: batch.status.get(text, NO_MATCH) for text in cleaned}
        else:
            status = {text: TIMEOUT if text in distinct else NO_MATCH for text in cleaned}
        # Outside of the handlers of errors, so that a warning made an error carries nothing of a request with it.
        process.warn(batch.notes)
        results = [list(batch.results.get(text, ())) for text in cleaned]
        return RemoteAnswers(results, [status[text] for text in cleaned], len(batch.dropped))

    def close(self) -> None:
        """Close the connection and the cache file; the next search opens them again."""
        if self._process is not None and self._process.pid == os.getpid():
            self._process.close()
        self._process = None

    def _current(self) -> _Process:
        if self._process is None or self._process.pid != os.getpid():
            if self._process is not None:
                _INHERITED.append(self._process)
            self._process = _Process(self)
        return self._process

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_process": None}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(endpoint={self.url!r}, key_variable={self.key_variable!r})"


class _Process:
    """What a graph holds open in one process."""

    def __init__(self, graph: RemoteGraph) -> None:
        settings = graph.connection
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self._pending: list[tuple[str, str]] = []
        self._warned: set[str] = set()
        self._database = Database(settings.cache, self._note_cache)
        self.cache = AnswerCache(self._database, settings.hit_days, settings.miss_days, settings.cache_megabytes)
        limits = HostLimits(
            self._database,
            graph.endpoint.authority,
            settings.rate or graph.default_rate,
            settings.burst or graph.default_burst,
            settings.breaker_failures,
            settings.breaker_seconds,
        )
        self.client = Client(Transport(graph.endpoint, settings), limits)

    def _note_cache(self, path: str, problem: str, instead: str) -> None:
        message = Warnings.NW184.format(path=path, problem=problem, instead=instead)
        self._pending.append((f"cache {path}", message))

    def warn(self, notes: Sequence[tuple[str, str]]) -> None:
        """Give each warning that was not given yet: notes are pairs of a kind and a message."""
        notes = [*self._pending, *notes]
        self._pending.clear()
        fresh = {kind: message for kind, message in reversed(notes) if kind not in self._warned}
        self._warned.update(fresh)
        for message in reversed(fresh.values()):
            warnings.warn(message, stacklevel=3)

    def close(self) -> None:
        self.client.close()
        self._database.close()

    def __del__(self) -> None:
        # An inherited one is kept from here by `_INHERITED`.
        self.close()


class _Batch:
    """One search: what was found, what became of each text, and what there is to warn of."""

    def __init__(self, graph: RemoteGraph, process: _Process, k: int, deadline: float) -> None:
        self._graph = graph
        self._process = process
        self._k = k
        self._deadline = deadline
        self.results: dict[str, list[RemoteResult]] = {}
        self.status: dict[str, str] = {}
        self.dropped: list[str] = []
        self.notes: list[tuple[str, str]] = []

    def run(self, texts: Sequence[str]) -> None:
        graph, cache = self._graph, self._process.cache
        source = f"{type(graph).__name__} {graph.variant}"
        keys = {text: cache.key(source, graph.url, graph.request([text], self._k).identity) for text in texts}
        cached = cache.read(list(keys.values()))
        self.results = {text: cached[key] for text, key in keys.items() if key in cached}
        missing = [text for text in texts if text not in self.results]
        if graph.connection.offline:
            self.status = dict.fromkeys(missing, OFFLINE)
        elif missing:
            fetched = self._fetch(missing)
            if self._complete(fetched) and fetched:
                cache.write({keys[text]: results for text, results in fetched.items()})
            self.results |= fetched
        self.status |= {text: OK if results else NO_MATCH for text, results in self.results.items()}
        if self.dropped:
            total = len(self.dropped) + sum(map(len, self.results.values()))
            self._note("dropped", Warnings.NW183, problem=self.dropped[0], count=len(self.dropped), total=total)

    def _fetch(self, texts: Sequence[str]) -> dict[str, list[RemoteResult]]:
        try:
            key = read_key(self._graph.key_variable)
        except Failure as failure:
            self._failed(texts, failure)
            return {}
        # Before the first text goes out: where warnings are errors, none does.
        note = Warnings.NW180.format(service=self._graph.service, host=self._graph.endpoint.authority)
        self._process.warn([("privacy", note)])
        fetched: dict[str, list[RemoteResult]] = {}
        for start in range(0, len(texts), self._graph.batch_size):
            group = texts[start : start + self._graph.batch_size]
            try:
                answer = self._send(self._graph.request(group, self._k), key)
                parsed = _well_formed(self._graph.parse, answer, group, self._k, self.dropped)
            except Failure as failure:
                self._failed(group, failure)
                continue
            fetched |= {text: results for text, results in zip(group, parsed) if results is not None}
            if refused := [text for text, results in zip(group, parsed) if results is None]:
                self._failed(refused, Failure("answer", "it refused single texts of a request"))
        return fetched

    def _complete(self, fetched: dict[str, list[RemoteResult]]) -> bool:
        """Add details in place. Returns whether all that was asked for is there, so that the results may be stored."""
        found = [result for results in fetched.values() for result in results]
        try:
            for request in self._graph.detail_requests(found):
                answer = self._send(request, read_key(self._graph.key_variable))
                found = _well_formed(self._graph.add_details, answer, found, self.dropped)
        except Failure as failure:
            self._failed([], failure)
            return False
        remaining = iter(found)
        for text, results in fetched.items():
            fetched[text] = [next(remaining) for _ in results]
        return True

    def _send(self, request: Request, key: Secret | None) -> Any:
        return self._process.client.send(request, key, self._graph.key_header, self._deadline)

    def _failed(self, texts: Sequence[str], failure: Failure) -> None:
        status = STATUS_OF[failure.kind]
        self.status.update(dict.fromkeys(texts, status))
        message = Warnings.NW182 if failure.kind in SETUP else Warnings.NW181
        self._note(failure.kind, message, problem=failure.problem, status=status)

    def _note(self, kind: str, message: str, **fields: Any) -> None:
        graph = self._graph
        text = message.format(service=graph.service, host=graph.endpoint.authority, **fields)
        self.notes.append((kind, text))


def _well_formed(read: Any, *arguments: Any) -> Any:
    try:
        return read(*arguments)
    except MalformedError as problem:
        raise Failure("answer", f"the answer is not in its form: {problem}") from None
