"""Services and graphs of the tests of remote graphs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from spacy_nlpkit.kg.remote.google import GoogleKnowledgeGraph
from spacy_nlpkit.kg.remote.settings import RemoteConnection

from .service import Answer, Seen, Service

KEY_VARIABLE = "NLPKIT_TEST_KEY"
CANARY = "canary-7f3a9c1e5b2d4860"


def google_item(name: str, /, score: Any = 100.0, **changes: Any) -> dict[str, Any]:
    """A result of Google's search, with fields changed."""
    result = {
        "@id": f"kg:/m/{name.lower().replace(' ', '_')}",
        "name": name,
        "@type": ["Thing", "Person"],
        "description": "Somebody",
        "detailedDescription": {
            "articleBody": f"{name} is somebody.",
            "url": f"https://en.example.org/{name.replace(' ', '_')}",
            "license": "https://example.org/licence",
        },
    }
    return {"@type": "EntitySearchResult", "result": {**result, **changes}, "resultScore": score}


def google_answer(*items: Any) -> dict[str, Any]:
    """An answer of Google's search."""
    return {"@context": {"@vocab": "http://schema.org/"}, "@type": "ItemList", "itemListElement": list(items)}


def echo_name(seen: Seen) -> Answer:
    """Knows everybody."""
    return Answer(google_answer(google_item(seen.query["query"][0])))


@pytest.fixture
def serve() -> Iterator[Callable[..., Service]]:
    """Start a service with a behaviour, or with a list of answers, the last of which repeats."""
    running: list[Service] = []

    def start(behave: Callable[[Seen], Answer] | list[Answer] = echo_name, **settings: Any) -> Service:
        if isinstance(behave, list):
            answers = list(behave)
            service = Service(lambda seen: answers.pop(0) if len(answers) > 1 else answers[0], **settings)
        else:
            service = Service(behave, **settings)
        running.append(service.__enter__())
        return service

    yield start
    for service in running:
        service.__exit__(None, None, None)


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., GoogleKnowledgeGraph]]:
    """Make a graph for a service, with a key, quick and without limits unless settings say otherwise."""
    monkeypatch.setenv(KEY_VARIABLE, CANARY)
    made: list[GoogleKnowledgeGraph] = []

    def make(service: Service | str, key_variable: str | None = KEY_VARIABLE, **settings: Any) -> GoogleKnowledgeGraph:
        url = service if isinstance(service, str) else service.url
        made.append(GoogleKnowledgeGraph(url, key_variable, quick(**settings)))
        return made[-1]

    yield make
    for graph in made:
        graph.close()


def quick(**settings: Any) -> RemoteConnection:
    """Settings for a service on this machine that answers at once."""
    quick = {"budget": 5.0, "retries": 0, "rate": 60_000, "burst": 1000, "allow_hosts": ("127.0.0.1",)}
    return RemoteConnection(**{**quick, **settings})


@contextmanager
def codes() -> Iterator[list[str]]:
    """Collect the codes of the warnings of a block, but that text leaves the machine."""
    found: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield found
    given = [str(each.message).partition("]")[0].lstrip("[") for each in caught]
    found += [code for code in given if code != "NW180"]
