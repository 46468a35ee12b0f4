"""What must never happen: a key that shows, text that is not a mention sent, a private address reached."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import shutil
import socket
import subprocess
import traceback
import warnings
from pathlib import Path
from typing import Any

import pytest
from spacy import registry
from spacy.language import Language
from thinc.api import Config

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.kg.remote.addresses import is_public, parse_endpoint
from spacy_nlpkit.kg.remote.google import GoogleKnowledgeGraph
from spacy_nlpkit.kg.remote.secret import Secret, read_key
from spacy_nlpkit.kg.remote.settings import create_remote_connection

from .conftest import CANARY, KEY_VARIABLE, codes, echo_name, google_answer, google_item, quick
from .service import Answer, Seen

quiet = pytest.mark.filterwarnings(r"ignore:\[NW180\]")
CONFIG = """
[graph]
@misc = "spacy_nlpkit.GoogleKnowledgeGraph.v1"
key_variable = "NLPKIT_TEST_KEY"
types = ["Person"]
endpoint = "{endpoint}"

[graph.connection]
@misc = "spacy_nlpkit.RemoteConnection.v1"
allow_hosts = ["127.0.0.1"]
retries = 0
rate = 6000
"""


def behave_badly(seen: Seen) -> Answer:
    """Echo the key in every place of an answer, and fail for some names."""
    key = seen.headers["x-goog-api-key"]
    name = seen.query["query"][0]
    if name == "Fail":
        return Answer({"error": {"code": 403, "message": f"bad key {key}"}}, status=403, headers={"X-Key": key})
    if name == "Cut":
        return Answer(f"key {key}".encode(), declared=1000)
    return Answer(google_answer(google_item(name, description=key, **{"@id": f"kg:/{key}"}), {"resultScore": key}))


@quiet
def test_the_key_is_nowhere(
    serve: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, CANARY)
    caplog.set_level(logging.DEBUG)
    service = serve(behave_badly)
    config = Config().from_str(CONFIG.replace("{endpoint}", service.url))
    config["graph"]["connection"]["cache"] = str(tmp_path / "cache.sqlite")
    graph = registry.resolve(config)["graph"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        answers = graph.search(["Ada Lovelace", "Fail", "Cut"])
    assert answers.status == ["ok", "error", "error"]
    # It was sent, by header alone.
    assert {seen.headers["x-goog-api-key"] for seen in service.seen} == {CANARY}
    assert not any(CANARY in json.dumps([seen.path, seen.query, seen.body]) for seen in service.seen)
    shown = [repr(graph), repr(vars(graph)), repr(answers), config.to_str(), caplog.text, *capfd.readouterr()]
    shown += [str(each.message) for each in caught]
    assert not [text for text in shown if CANARY in text]
    assert CANARY.encode() not in pickle.dumps(graph) + pickle.dumps(copy.deepcopy(graph)) + pickle.dumps(answers)
    graph.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"Ada Lovelace" in stored
    assert CANARY.encode() not in stored


def test_the_key_is_in_no_traceback(serve: Any, google: Any) -> None:
    """Where warnings are errors, one does leave the search: with all local variables, and what it came from."""
    graph = google(serve(behave_badly))
    for text, code in [("First", "NW180"), ("Fail", "NW182"), ("Cut", "NW181")]:
        with pytest.raises(UserWarning, match=code) as caught:
            graph.search([text])
        error: BaseException | None = caught.value
        while error is not None:
            shown = traceback.TracebackException(type(error), error, error.__traceback__, capture_locals=True)
            text = "".join(shown.format())
            assert "graph = GoogleKnowledgeGraph(" in text
            assert CANARY not in text
            error = error.__context__


def test_where_warnings_are_errors_no_text_leaves_before_the_first(serve: Any, google: Any) -> None:
    service = serve()
    with pytest.raises(UserWarning, match="NW180"):
        google(service).search(["Ada Lovelace"])
    assert service.seen == []


def test_a_secret_does_not_show() -> None:
    secret = Secret(CANARY)
    assert CANARY not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(NlpkitError, match="N183"):
        pickle.dumps(secret)
    with pytest.raises(NlpkitError, match="N183"):
        copy.copy(secret)
    assert secret.reveal() == CANARY
    assert read_key(None) is None


@pytest.mark.parametrize("value", [None, "", "  ", "two words", "line\r\nX-Other: 1", "schlüssel"])
def test_a_key_that_cannot_be_one_is_a_matter_of_the_set_up(
    serve: Any, google: Any, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    service = serve()
    graph = google(service)
    monkeypatch.delenv(KEY_VARIABLE)
    if value is not None:
        monkeypatch.setenv(KEY_VARIABLE, value)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert graph.search(["Ada Lovelace"]).status == graph.search(["Grace Hopper"]).status == ["error"]
    assert [str(each.message)[:7] for each in caught] == ["[NW182]"]
    assert KEY_VARIABLE in str(caught[0].message)
    assert not value or not value.strip() or value not in str(caught[0].message)
    assert service.seen == []


@quiet
def test_a_text_cannot_leave_its_parameter(serve: Any, google: Any) -> None:
    texts = ["a&key=1&query=b#c", "x\r\nHost: evil.example\r\n\r\nGET /", "%0d%0a", "é€😀", "../../admin?x=1"]
    service = serve()
    assert google(service).search(texts).status == ["ok"] * 5
    assert [seen.query["query"] for seen in service.seen] == [[" ".join(text.split())] for text in texts]
    assert {seen.path for seen in service.seen} == {"/api"}
    assert {tuple(sorted(seen.query)) for seen in service.seen} == {("languages", "limit", "query")}
    assert {seen.headers["host"] for seen in service.seen} == {f"127.0.0.1:{service.port}"}
    assert {seen.headers["user-agent"].split("/")[0] for seen in service.seen} == {"spacy-nlpkit"}


def test_text_that_leaves_is_warned_of_once(serve: Any, google: Any) -> None:
    graph = google(serve())
    with pytest.warns(UserWarning, match=r"\[NW180\].*127\.0\.0\.1"):
        graph.search(["Ada Lovelace"])
    assert graph.search(["Grace Hopper"]).status == ["ok"]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "198.18.0.1",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd12::1",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2001:db8::1",
    ],
)
def test_private_addresses(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "142.250.1.95", "2a00:1450:4001:82a::200e", "64:ff9b::808:808"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "answers",
    [["127.0.0.1"], ["::1", "127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["169.254.169.254"], ["::ffff:127.0.0.1"]],
)
def test_names_of_private_addresses_are_refused(
    serve: Any, google: Any, monkeypatch: pytest.MonkeyPatch, answers: list[str]
) -> None:
    service = serve()
    asked = []

    def resolve(host: str, port: int, **settings: Any) -> Any:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answers]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with codes() as given:
        graph = google(f"https://kg.example:{service.port}/api", retries=2)
        assert graph.search(["Ada Lovelace"]).status == ["error"]
    assert given == ["NW182"]
    assert asked == ["kg.example"]
    assert service.seen == []


@quiet
def test_the_connection_goes_to_the_address_that_was_checked(
    serve: Any, google: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that resolves to another address the second time: nobody asks a second time for one connection."""
    service = serve()
    real, asked = socket.getaddrinfo, []

    def resolve(host: str, port: int, *arguments: Any, **settings: Any) -> Any:
        if host != "kg.example":
            return real(host, port, *arguments, **settings)
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    graph = google(f"http://kg.example:{service.port}/api", allow_hosts=("kg.example",))
    assert graph.search(["Ada Lovelace", "Grace Hopper"]).status == ["ok", "ok"]
    assert len(asked) == 1
    assert {seen.headers["host"] for seen in service.seen} == {f"kg.example:{service.port}"}


@pytest.mark.parametrize(
    "url",
    [
        "http://kgsearch.googleapis.com/v1",
        "ftp://kgsearch.googleapis.com/v1",
        "file:///etc/passwd",
        "kgsearch.googleapis.com",
        "https://",
        "https://user:secret-word@kgsearch.googleapis.com/v1",
        "https://secret-word@kgsearch.googleapis.com/v1",
        "https://kgsearch.googleapis.com/v1?key=secret-word",
        "https://kgsearch.googleapis.com/v1#secret-word",
        "https://kgsearch.googleapis.com/v 1",
        "https://kgsearch.googleapis.com/v1\r\nX: 1",
        "https://kgsearch.googleapis.com:99999/v1",
        "https://[::1/v1",
        "http://127.0.0.1.evil.example/v1",
    ],
)
def test_endpoints_that_are_refused(url: str) -> None:
    with pytest.raises(NlpkitError, match="N181") as error:
        parse_endpoint(url, ("127.0.0.1", "localhost"))
    assert "secret-word" not in str(error.value)
    with pytest.raises(NlpkitError, match="N181"):
        GoogleKnowledgeGraph(url, None, quick())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of `localhost` that nobody has signed, with its key."""
    if not shutil.which("openssl"):
        pytest.skip("openssl, which makes the certificate, is not installed")
    path = tmp_path_factory.mktemp("certificate") / "localhost.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    command += f" -addext subjectAltName=DNS:localhost -keyout {path} -out {path}.crt"
    subprocess.run(command.split(), check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + path.with_name("localhost.pem.crt").read_bytes())
    return path


@quiet
def test_certificates_are_checked(serve: Any, google: Any, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = serve(echo_name, certificate=certificate)
    by_name, by_number = f"https://localhost:{service.port}/api", f"https://127.0.0.1:{service.port}/api"
    hosts = ("localhost", "127.0.0.1")
    with codes() as given:
        assert google(by_name, allow_hosts=hosts).search(["Ada Lovelace"]).status == ["error"]
    assert given == ["NW181"]
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    assert google(by_name, allow_hosts=hosts).search(["Ada Lovelace", "Grace Hopper"]).status == ["ok", "ok"]
    with codes() as given:
        assert google(by_number, allow_hosts=hosts).search(["Ada Lovelace"]).status == ["error"]
        assert google(by_name).search(["Ada Lovelace"]).status == ["error"]
    assert given == ["NW181", "NW182"]
    assert len(service.seen) == 2


@pytest.mark.parametrize(
    "settings",
    [
        {"budget": 0},
        {"budget": float("nan")},
        {"retries": -1},
        {"retries": 1.5},
        {"burst": 0},
        {"rate": 0},
        {"connect_timeout": True},
        {"cache_megabytes": "much"},
        {"contact": "a\r\nb"},
    ],
)
def test_settings_out_of_range(settings: dict[str, Any]) -> None:
    with pytest.raises(NlpkitError, match=f"N180.*{next(iter(settings))}"):
        create_remote_connection(**settings)


@pytest.mark.parametrize("name", ["GoogleKnowledgeGraph", "WikidataSearch", "OpenFigi", "SparqlGraph"])
def test_configs_build_graphs(name: str) -> None:
    block: dict[str, Any] = {"@misc": f"spacy_nlpkit.{name}.v1"}
    if name == "SparqlGraph":
        block["endpoint"] = "https://query.example.org/sparql"
    block["connection"] = {"@misc": "spacy_nlpkit.RemoteConnection.v1", "budget": 10, "cache": "kb.sqlite"}
    graph = registry.resolve({"remote": block})["remote"]
    assert graph.connection.budget == 10
    assert graph.endpoint.scheme == "https"
    assert not graph.endpoint.allowed


@Language.factory("nlpkit_test_remote", default_config={"remote": None})
class Keeper:
    """Holds a remote graph, as a component that uses one does."""

    def __init__(self, nlp: Language, name: str, remote: Any) -> None:
        self.remote = remote

    def __call__(self, doc: Any) -> Any:
        doc.user_data["status"] = self.remote.search([doc.text]).status[0]
        return doc


@quiet
def test_a_pipeline_with_a_key_gives_none_away(serve: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import spacy

    monkeypatch.setenv(KEY_VARIABLE, CANARY)
    nlp = spacy.blank("en")
    block = Config().from_str(CONFIG.replace("{endpoint}", serve().url))["graph"]
    nlp.add_pipe("nlpkit_test_remote", config={"remote": block})
    assert nlp("Ada Lovelace").user_data["status"] == "ok"
    nlp.to_disk(tmp_path)
    stored = nlp.to_bytes() + pickle.dumps(nlp) + b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert KEY_VARIABLE.encode() in stored
    assert CANARY.encode() not in stored + nlp.config.to_str().encode()
    assert spacy.load(tmp_path)("Grace Hopper").user_data["status"] == "ok"
