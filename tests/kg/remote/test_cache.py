"""Answers that are used again: in one process, in several, in later runs, offline, and with a file that is broken."""

from __future__ import annotations

import json
import os
import pickle
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.kg.remote.answers import RemoteAnswers
from spacy_nlpkit.kg.remote.settings import RemoteConnection

from .conftest import CANARY, KEY_VARIABLE, codes, echo_name, google_answer, google_item
from .service import Answer, Seen

pytestmark = pytest.mark.filterwarnings(r"ignore:\[NW180\]")

ROOT = Path(__file__).resolve().parents[3]
# Asks for names, in a process of its own; forks first where it is told to.
WORKER = """
import json, os, sys, warnings
from spacy_nlpkit.kg.remote.google import GoogleKnowledgeGraph
from spacy_nlpkit.kg.remote.settings import RemoteConnection

warnings.simplefilter("ignore")
task = json.loads(sys.argv[1])
graph = GoogleKnowledgeGraph(task["url"], "NLPKIT_TEST_KEY", RemoteConnection(**task["settings"]))
print("ready", flush=True)
sys.stdin.readline()
def ask():
    return graph.search(task["names"]).status
status = ask()
if task["fork"]:
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, json.dumps(ask()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    status += json.loads(os.read(read, 10**6)) + ask()
print(json.dumps(status))
"""


def known_but(*unknown: str) -> Any:
    def behave(seen: Seen) -> Answer:
        return Answer(google_answer()) if seen.query["query"][0] in unknown else echo_name(seen)

    return behave


def asked(service: Any) -> list[str]:
    return [seen.query["query"][0] for seen in service.seen]


def start_worker(service: Any, names: list[str], cache: Path | None, fork: bool = False, **more: Any) -> Any:
    settings = {"rate": 60_000, "burst": 1000, "allow_hosts": ["127.0.0.1"], "cache": cache and str(cache), **more}
    task = json.dumps({"url": service.url, "names": names, "settings": settings, "fork": fork})
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, task],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, KEY_VARIABLE: CANARY},
    )
    assert process.stdout is not None
    return process


def finish(processes: list[Any]) -> list[list[str]]:
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    found = [json.loads(process.communicate(timeout=30)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return found


def test_each_distinct_text_is_asked_for_once(serve: Any, google: Any) -> None:
    service = serve(known_but("Nobody"))
    graph = google(service)
    texts = ["Ada Lovelace", "Nobody", " Ada\n Lovelace ", "Nobody", "", " \n", "x" * 10_000]
    answers = graph.search(texts)
    assert answers.status == ["ok", "no_match", "ok", "no_match", "no_match", "no_match", "no_match"]
    assert asked(service) == ["Ada Lovelace", "Nobody"]
    assert answers.results[0] == answers.results[2]
    assert graph.search(texts) == answers
    assert len(service.seen) == 2
    assert graph.search([]) == RemoteAnswers([], [], 0)


def test_another_number_of_results_is_another_question(serve: Any, google: Any) -> None:
    service = serve()
    graph = google(service)
    assert graph.search(["Ada Lovelace"], 3).status == graph.search(["Ada Lovelace"], 4).status == ["ok"]
    assert [seen.query["limit"] for seen in service.seen] == [["3"], ["4"]]


@pytest.mark.parametrize(
    ("days", "expected"), [({"hit_days": 0}, ["Ada Lovelace"]), ({"miss_days": 0}, ["Nobody"]), ({}, [])]
)
def test_answers_expire(serve: Any, google: Any, tmp_path: Path, days: dict[str, float], expected: list[str]) -> None:
    service = serve(known_but("Nobody"))
    cache = str(tmp_path / "folder" / "cache.sqlite")
    google(service, cache=cache, **days).search(["Ada Lovelace", "Nobody"])
    assert google(service, cache=cache, **days).search(["Ada Lovelace", "Nobody"]).status == ["ok", "no_match"]
    assert asked(service)[2:] == expected


def test_failures_and_damaged_answers_are_not_stored(serve: Any, google: Any, tmp_path: Path) -> None:
    damaged = Answer(google_answer({"result": {"name": "no id"}, "resultScore": 1.0}))
    service = serve([Answer(status=500), damaged, Answer(google_answer(google_item("Ada Lovelace")))])
    cache = str(tmp_path / "cache.sqlite")
    with codes() as given:
        found = [google(service, cache=cache).search(["Ada Lovelace"]).status for _ in range(4)]
    assert found == [["error"], ["error"], ["ok"], ["ok"]]
    assert set(given) == {"NW181", "NW183"}
    assert len(service.seen) == 3


def test_offline_answers_from_the_cache_alone(serve: Any, google: Any, tmp_path: Path) -> None:
    service = serve()
    cache = str(tmp_path / "cache.sqlite")
    online = google(service, cache=cache).search(["Ada Lovelace"])
    offline = google(service, cache=cache, offline=True, key_variable=None)
    answers = offline.search(["Grace Hopper", "Ada Lovelace"])
    assert answers.status == ["offline", "ok"]
    assert answers.results == [[], online.results[0]]
    assert asked(service) == ["Ada Lovelace"]
    with pytest.raises(NlpkitError, match="N182"):
        RemoteConnection(offline=True)


def test_the_cache_is_for_its_owner_and_holds_no_text_that_was_asked(serve: Any, google: Any, tmp_path: Path) -> None:
    cache = tmp_path / "cache.sqlite"
    google(serve([Answer(google_answer())]), cache=str(cache)).search(["Mergers of Tomorrow"])
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert content
    assert b"Mergers" not in content
    assert CANARY.encode() not in content


def test_the_cache_stays_below_its_size(serve: Any, google: Any, tmp_path: Path) -> None:
    article = {"articleBody": "y" * 9000}
    service = serve(
        lambda seen: Answer(google_answer(google_item(seen.query["query"][0], detailedDescription=article)))
    )
    cache = tmp_path / "cache.sqlite"
    graph = google(service, cache=str(cache), cache_megabytes=1, budget=20.0)
    names = [f"Name {number}" for number in range(250)]
    for start in range(0, 250, 10):
        graph.search(names[start : start + 10])
    graph.close()
    assert 0.5e6 < cache.stat().st_size < 1.3e6
    # The latest are there, the first are gone.
    assert google(service, cache=str(cache), offline=True).search(["Name 249", "Name 0"]).status == ["ok", "offline"]


def test_processes_share_a_cache_and_its_limits(serve: Any, tmp_path: Path) -> None:
    service = serve()
    names = [f"Name {number}" for number in range(20)]
    cache = tmp_path / "cache.sqlite"
    found = finish([start_worker(service, names, cache, fork=fork) for fork in (False, True)])
    assert found == [["ok"] * 20, ["ok"] * 60]
    # Each name at most once by each of two processes that began together; then from the file.
    assert 20 <= len(service.seen) <= 40
    # One bucket for both: one request at once, then 20 a second.
    service.seen.clear()
    fresh = [f"Other {number}" for number in range(12)]
    limited = {"burst": 1, "rate": 1200}
    finish([start_worker(service, fresh[half::2], cache, **limited) for half in (0, 1)])
    assert len(service.seen) == 12
    assert service.seen[-1].time - service.seen[0].time > 0.4


def test_threads_take_turns(serve: Any, google: Any) -> None:
    graph = google(serve())
    statuses: list[list[str]] = []
    names = [f"Name {number}" for number in range(10)]
    threads = [threading.Thread(target=lambda: statuses.append(graph.search(names).status)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [["ok"] * 10] * 4


def test_pickles_open_their_own_connections(serve: Any, google: Any, tmp_path: Path) -> None:
    service = serve()
    graph = google(service, cache=str(tmp_path / "cache.sqlite"))
    before = graph.search(["Ada Lovelace"])
    copy = pickle.loads(pickle.dumps(graph))
    assert copy.search(["Ada Lovelace"]) == before
    assert copy.search(["Grace Hopper"]).status == ["ok"]
    copy.close()
    assert asked(service) == ["Ada Lovelace", "Grace Hopper"]


def foreign_database(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE invoices (amount REAL)")
    database.close()


def truncated_cache(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 - 100])


@pytest.mark.parametrize(
    "damage",
    [lambda path: path.write_bytes(b"no database at all, " * 100), truncated_cache],
    ids=["garbage", "truncated"],
)
def test_a_damaged_cache_is_left_for_another(serve: Any, google: Any, tmp_path: Path, damage: Any) -> None:
    service = serve()
    cache = tmp_path / "cache.sqlite"
    google(service, cache=str(cache)).search([f"Name {number}" for number in range(50)])
    damage_after_close(cache, damage)
    before = cache.read_bytes()
    with codes() as given:
        assert google(service, cache=str(cache)).search(["Ada Lovelace"]).status == ["ok"]
        assert google(service, cache=str(cache)).search(["Ada Lovelace"]).status == ["ok"]
    assert given == ["NW184", "NW184"]
    assert cache.read_bytes() == before
    assert (tmp_path / "cache-1.sqlite").exists()
    assert asked(service).count("Ada Lovelace") == 1


def damage_after_close(cache: Path, damage: Any) -> None:
    """As another run would find it: without the files of an open database beside it."""
    with sqlite3.connect(cache) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    for beside in cache.parent.glob(f"{cache.name}-*"):
        beside.unlink()
    damage(cache)


def test_the_database_of_another_program_is_not_touched(serve: Any, google: Any, tmp_path: Path) -> None:
    cache = tmp_path / "cache.sqlite"
    foreign_database(cache)
    before = cache.read_bytes()
    with codes() as given:
        assert google(serve(), cache=str(cache)).search(["Ada Lovelace"]).status == ["ok"]
    assert given == ["NW184"]
    assert cache.read_bytes() == before


def test_a_place_that_cannot_be_written_is_left_for_memory(serve: Any, google: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    service = serve()
    with codes() as given:
        graph = google(service, cache=str(tmp_path / "file" / "cache.sqlite"))
        assert graph.search(["Ada Lovelace"]).status == graph.search(["Ada Lovelace"]).status == ["ok"]
    assert given == ["NW184"]
    assert len(service.seen) == 1


def test_a_locked_cache_does_not_stop_the_work(serve: Any, google: Any, tmp_path: Path) -> None:
    cache = tmp_path / "cache.sqlite"
    service = serve()
    google(service, cache=str(cache)).search(["Ada Lovelace"])
    other = sqlite3.connect(cache, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    start = time.monotonic()
    with codes() as given:
        assert google(service, cache=str(cache)).search(["Grace Hopper"]).status == ["ok"]
    other.execute("ROLLBACK")
    other.close()
    assert given == ["NW184"]
    assert time.monotonic() - start < 4
