"""A listing table as a feature: given, saved, replaced, and refused where it does not fit."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.lang.en import English
from spacy.language import Language
from spacy.util import load_model_from_config
from thinc.api import Config

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.listings import ListingTable

from .small_ner import SHAPE_ENCODER, build, found, make_examples, pipe_of, train

# The encoder sees the shape of words alone: only the table can tell these names from the others.
NAMED = ["ardo", "bemi", "culo", "dasa", "ekro", "fimo"]
OTHER = ["gelu", "hapa", "iwen", "joro", "kasi", "lopa"]
UNSEEN = "zuma"
LISTING_MODEL: dict[str, Any] = {
    "@architectures": "spacy_nlpkit.CRFTagger.v1",
    "tok2vec": SHAPE_ENCODER,
    "features": {"listings": {"@architectures": "spacy_nlpkit.ListingFeatures.v1"}},
}
GOLD = [(f"then {name} rose", [(name, "ORG")] if name in NAMED else []) for name in [*NAMED, *OTHER]]


def write_table(path: Path, names: list[str], label: str = "ORG") -> Path:
    path.write_text("name,label\n" + "".join(f"{name},{label}\n" for name in names), encoding="utf8")
    return path


def load_table(nlp: Language, path: Path) -> ListingTable:
    return ListingTable.from_file(path, nlp.tokenizer, cache=None)


@pytest.fixture(scope="module")
def nlp(tmp_path_factory: pytest.TempPathFactory) -> Language:
    """Trained with a table given by a call."""
    nlp = build(model=LISTING_MODEL)
    pipe_of(nlp).set_listings(load_table(nlp, write_table(tmp_path_factory.mktemp("table") / "names.csv", NAMED)))
    return train(nlp, make_examples(nlp, GOLD))


def names_found(nlp: Language) -> list[str]:
    return [name for name in [*NAMED, *OTHER, UNSEEN] if found(nlp, f"then {name} rose")]


def test_the_table_is_learned_from_and_saved(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    copies = [
        nlp,
        spacy.load(tmp_path),
        English.from_config(nlp.config).from_bytes(nlp.to_bytes()),
        pickle.loads(pickle.dumps(nlp)),
    ]
    assert [names_found(copy) for copy in copies] == [NAMED] * 4


def test_another_table_takes_its_place_at_once_and_stays(nlp: Language, tmp_path: Path) -> None:
    other = pickle.loads(pickle.dumps(nlp))
    pipe_of(other).set_listings(load_table(other, write_table(tmp_path / "names.csv", [*OTHER[:2], UNSEEN])))
    assert names_found(other) == [*OTHER[:2], UNSEEN]
    other.to_disk(tmp_path / "model")
    assert names_found(spacy.load(tmp_path / "model")) == [*OTHER[:2], UNSEEN]
    assert names_found(nlp) == NAMED


def test_a_table_of_other_labels_is_refused(nlp: Language, tmp_path: Path) -> None:
    table = load_table(nlp, write_table(tmp_path / "names.csv", [UNSEEN], label="COMPANY"))
    with pytest.raises(NlpkitError, match=r"\[N070\].*'ticker_ner'.*ORG.*COMPANY"):
        pipe_of(nlp).set_listings(table)
    assert names_found(nlp) == NAMED


def test_a_model_without_a_layer_takes_no_table(nlp: Language, tmp_path: Path) -> None:
    table = load_table(nlp, write_table(tmp_path / "names.csv", NAMED))
    with pytest.raises(NlpkitError, match=r"\[N072\].*'ticker_ner'.*components\.ticker_ner\.model\.features"):
        pipe_of(build()).set_listings(table)


def test_a_layer_without_a_table_cannot_start() -> None:
    nlp = build(model=LISTING_MODEL)
    examples = make_examples(nlp, GOLD)
    with pytest.raises(NlpkitError, match=r"\[N071\].*initialize\.components\.ticker_ner\.listings"):
        nlp.initialize(lambda: examples)


def from_config(path: Path, model: dict[str, Any]) -> Language:
    """A pipeline whose config names the table."""
    loader = {"@misc": "spacy_nlpkit.listings.v1", "path": str(path)}
    config = Config(
        {
            "nlp": {"lang": "en", "pipeline": ["ticker_ner"]},
            "components": {"ticker_ner": {"factory": "ticker_ner", "model": model}},
            "initialize": {"components": {"ticker_ner": {"listings": loader}}},
        }
    )
    return load_model_from_config(config, auto_fill=True)


@pytest.mark.parametrize("where", ["beside", "inside"])
def test_the_config_names_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """For a layer beside the encoder's columns, or in its embedding; the file is not needed afterwards."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = LISTING_MODEL
    if where == "inside":
        embed = {**model["tok2vec"]["embed"]}
        joined = {
            "@architectures": "spacy_nlpkit.EmbedWithFeatures.v1",
            "width": 16,
            "embed": embed,
            "features": model["features"],
        }
        model = {**model, "features": {}, "tok2vec": {**model["tok2vec"], "embed": joined}}
    path = write_table(tmp_path / "names.csv", NAMED)
    nlp = from_config(path, model)
    train(nlp, make_examples(nlp, GOLD))
    assert names_found(nlp) == NAMED
    nlp.to_disk(tmp_path / "model")
    path.unlink()
    assert names_found(spacy.load(tmp_path / "model")) == NAMED


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    nlp = from_config(tmp_path / "none.csv", LISTING_MODEL)
    examples = make_examples(nlp, GOLD)
    with pytest.raises(NlpkitError, match=r"\[N052\].*none\.csv"):
        nlp.initialize(lambda: examples)


def test_a_loader_needs_the_pipeline() -> None:
    nlp = build(model=LISTING_MODEL)
    examples = make_examples(nlp)
    with pytest.raises(NlpkitError, match=r"\[N073\].*ticker_ner"):
        pipe_of(nlp).initialize(lambda: examples, listings=lambda nlp: None)
