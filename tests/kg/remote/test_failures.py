"""What services do wrong: a status and one warning, in bounded time, and never an error."""

from __future__ import annotations

import socket
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest

from spacy_nlpkit.kg.remote.transport import MAX_BYTES

from .conftest import codes, echo_name, google_answer, google_item
from .service import Answer, Seen

pytestmark = pytest.mark.filterwarnings(r"ignore:\[NW180\]")

GOOD = Answer(google_answer(google_item("Ada Lovelace")))
DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (Answer(status=500), "error", "NW181"),
        (Answer(status=503, headers={"Retry-After": "soon"}), "error", "NW181"),
        (Answer(status=429), "timeout", "NW181"),
        (Answer(status=404), "error", "NW181"),
        (Answer(status=204), "error", "NW181"),
        (Answer(status=400), "error", "NW182"),
        (Answer(status=401), "error", "NW182"),
        (Answer(status=403), "error", "NW182"),
        (Answer(GOOD.body, wait=1.0), "timeout", "NW181"),
        (Answer(GOOD.body, declared=10_000), "error", "NW181"),
        (Answer(GOOD.body, declared=MAX_BYTES + 1), "error", "NW181"),
        (Answer(GOOD.body, declared=10**30), "error", "NW181"),
        (Answer(b'{"itemListElement": [{"resu'), "error", "NW181"),
        (Answer(b"\xff\xfe\x00"), "error", "NW181"),
        (Answer(DEEP), "error", "NW181"),
        (Answer(b"[1, 2]"), "error", "NW181"),
        (Answer({"itemListElement": {"result": 1}}), "error", "NW181"),
        (Answer(hang_up=True), "error", "NW181"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_failure_is_a_status_and_one_warning(serve: Any, google: Any, answer: Answer, status: str, code: str) -> None:
    service = serve([answer])
    graph = google(service, read_timeout=0.2)
    with codes() as given:
        first = graph.search(["Ada Lovelace", "Grace Hopper"])
        second = graph.search(["Alan Turing"])
    assert first.status + second.status == [status] * 3
    assert first.results + second.results == [[], [], []]
    assert given == [code]


def test_a_body_without_length_is_bounded(serve: Any, google: Any) -> None:
    """What a service sends until it closes the connection has no declared length."""
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    endless = Answer(chunk * (MAX_BYTES // 65_536 + 2), headers={"Transfer-Encoding": "chunked"})
    with codes() as given:
        answers = google(serve([endless])).search(["Ada Lovelace"])
    assert answers.status == ["error"]
    assert given == ["NW181"]


def test_single_bytes_do_not_outlast_the_budget(serve: Any, google: Any) -> None:
    service = serve([Answer(GOOD.body, drip=0.05)])
    start = time.monotonic()
    with codes() as given:
        answers = google(service, budget=0.4, retries=3).search(["Ada Lovelace", "Grace Hopper"])
    assert time.monotonic() - start < 2
    assert answers.status == ["timeout", "timeout"]
    assert given == ["NW181"]
    assert len(service.seen) == 1


def test_nobody_listens(google: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with codes() as given:
        answers = google(f"http://127.0.0.1:{port}/api").search(["Ada Lovelace"])
    assert answers.status == ["error"]
    assert given == ["NW181"]


def test_a_name_that_does_not_resolve(google: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any, **settings: Any) -> Any:
        raise socket.gaierror("unknown")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with codes() as given:
        assert google("https://kg.example/api").search(["Ada Lovelace"]).status == ["error"]
    assert given == ["NW181"]


def test_a_resolver_that_hangs_does_not_outlast_the_limit(google: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **settings: time.sleep(1.5) or [])
    start = time.monotonic()
    with codes():
        answers = google("https://kg.example/api", connect_timeout=0.1).search(["Ada Lovelace"])
    assert answers.status == ["timeout"]
    assert time.monotonic() - start < 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_lead_nowhere(serve: Any, google: Any, status: int) -> None:
    other = serve()
    service = serve([Answer(status=status, headers={"Location": other.url})])
    with codes() as given:
        assert google(service, retries=2).search(["Ada Lovelace"]).status == ["error"]
    assert given == ["NW181"]
    assert (len(service.seen), len(other.seen)) == (1, 0)


@pytest.mark.parametrize(("status", "asked"), [(400, 1), (401, 1), (403, 1), (404, 1), (429, 3), (500, 3), (503, 3)])
def test_what_may_pass_is_tried_again(serve: Any, google: Any, status: int, asked: int) -> None:
    headers = {"Retry-After": "0"}
    service = serve([Answer(status=status, headers=headers)])
    with codes():
        google(service, retries=2).search(["Ada Lovelace"])
    assert len(service.seen) == asked


def test_success_after_failures(serve: Any, google: Any) -> None:
    service = serve([Answer(status=500), Answer(hang_up=True), GOOD])
    with codes() as given:
        answers = google(service, retries=2).search(["Ada Lovelace"])
    assert answers.status == ["ok"]
    assert given == []
    assert len(service.seen) == 3


def test_a_pause_that_is_asked_for_is_kept(serve: Any, google: Any) -> None:
    service = serve([Answer(status=429, headers={"Retry-After": "1"}), GOOD])
    assert google(service, retries=1).search(["Ada Lovelace"]).status == ["ok"]
    first, second = service.seen
    assert second.time - first.time > 0.9


@pytest.mark.parametrize(
    "until", ["3600", format_datetime(datetime.now(timezone.utc) + timedelta(hours=1), usegmt=True)]
)
def test_a_pause_beyond_the_budget_is_not_waited_for(serve: Any, google: Any, until: str) -> None:
    service = serve([Answer(status=429, headers={"Retry-After": until}), GOOD])
    graph = google(service, retries=3, budget=2.0)
    start = time.monotonic()
    with codes():
        assert graph.search(["Ada Lovelace", "Grace Hopper"]).status == ["timeout", "timeout"]
        # The pause holds for the next batch as well.
        assert graph.search(["Alan Turing"]).status == ["timeout"]
    assert time.monotonic() - start < 1.5
    assert len(service.seen) == 1


def test_the_circuit_opens_and_closes(serve: Any, google: Any) -> None:
    well = False

    def behave(seen: Seen) -> Answer:
        return echo_name(seen) if well else Answer(status=500)

    service = serve(behave)
    graph = google(service, breaker_failures=5, breaker_seconds=0.5)
    with codes() as given:
        answers = graph.search([f"Name {number}" for number in range(8)])
    assert answers.status == ["error"] * 5 + ["timeout"] * 3
    assert len(service.seen) == 5
    assert given == ["NW181", "NW181"]
    well = True
    assert graph.search(["Ada Lovelace"]).status == ["timeout"]
    time.sleep(0.55)
    assert graph.search(["Ada Lovelace"]).status == ["ok"]
    assert len(service.seen) == 6


def test_a_wrong_key_is_not_sent_over_and_over(serve: Any, google: Any) -> None:
    service = serve([Answer(status=403)])
    with codes() as given:
        answers = google(service, retries=3).search([f"Name {number}" for number in range(20)])
    assert answers.status == ["error"] * 20
    assert len(service.seen) == 5
    assert given == ["NW182"]


def test_the_limit_of_rate(serve: Any, google: Any) -> None:
    service = serve()
    # Two at once, then one each tenth of a second.
    answers = google(service, burst=2, rate=600).search([f"Name {number}" for number in range(6)])
    assert answers.status == ["ok"] * 6
    assert service.seen[-1].time - service.seen[0].time > 0.37


def test_the_limit_of_rate_does_not_outlast_the_budget(serve: Any, google: Any) -> None:
    service = serve()
    start = time.monotonic()
    with codes() as given:
        answers = google(service, burst=2, rate=1).search([f"Name {number}" for number in range(5)])
    assert answers.status == ["ok", "ok", "timeout", "timeout", "timeout"]
    assert given == ["NW181"]
    assert time.monotonic() - start < 1


def test_a_connection_that_the_service_closed_is_opened_again(serve: Any, google: Any) -> None:
    service = serve([Answer(GOOD.body, keep_open=False)])
    answers = google(service).search(["Ada Lovelace", "Grace Hopper", "Alan Turing"])
    assert answers.status == ["ok"] * 3
    assert len({seen.client for seen in service.seen}) == 3


def test_many_failures_leave_most_documents_with_an_answer(serve: Any, google: Any) -> None:
    """Three in ten requests fail, in a fixed pattern."""
    failing = {0: Answer(status=429, headers={"Retry-After": "0"}), 3: Answer(status=503, headers={"Retry-After": "0"})}
    failing[7] = Answer(hang_up=True)
    count = 0

    def behave(seen: Seen) -> Answer:
        nonlocal count
        count += 1
        return failing.get(count % 10) or echo_name(seen)

    graph = google(serve(behave), retries=3, budget=20.0)
    answers = graph.search([f"Name {number}" for number in range(30)])
    assert answers.status == ["ok"] * 30
