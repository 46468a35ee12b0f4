"""Layers without parameters: columns for the notation of symbols, and for membership in a listing table."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model, get_current_ops

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.layers.features import symbol_features
from spacy_nlpkit.layers.listing_features import listing_features, set_table
from spacy_nlpkit.listings import ListingTable
from spacy_nlpkit.symbols import N_CODES, notation_codes

TEXTS = ["", "Acorn Mills ( NYSE : ACM ) rose", "Nothing here .", "", "Oslo and $DRL fell ; Acorn Mills"]


@pytest.fixture(scope="module")
def nlp() -> Language:
    return spacy.blank("en")


@pytest.fixture
def docs(nlp: Language) -> list[Doc]:
    return [nlp.make_doc(text) for text in TEXTS]


def write_table(path: Path, rows: str) -> Path:
    path.write_text("name,symbol,label\n" + rows, encoding="utf8")
    return path


@pytest.fixture
def table(nlp: Language, tmp_path: Path) -> ListingTable:
    path = write_table(tmp_path / "table.csv", "Acorn Mills,ACM,\nOslo,,GPE\n")
    return ListingTable.from_file(path, nlp.tokenizer, cache=None)


def words_marked(model: Model, docs: list[Doc]) -> list[str]:
    """The tokens with a column that is not 0."""
    return [token.text for doc, columns in zip(docs, model.predict(docs)) for token in doc if columns[token.i].any()]


def test_symbols_are_one_column_a_role(docs: list[Doc]) -> None:
    model = symbol_features()
    columns = model.predict(docs)
    assert model.get_dim("nO") == N_CODES
    for doc, found in zip(docs, columns):
        assert found.shape == (len(doc), N_CODES)
        assert found.dtype == "float32"
        codes = notation_codes(doc)
        assert (found.sum(axis=1) == (codes > 0)).all()
        assert (found.argmax(axis=1) == codes).all()
    assert words_marked(model, docs) == ["(", "NYSE", ":", "ACM", ")", "$", "DRL"]


@pytest.mark.parametrize("texts", [[], [""], ["", ""]])
def test_symbols_of_nothing(nlp: Language, texts: list[str]) -> None:
    columns = symbol_features().predict([nlp.make_doc(text) for text in texts])
    assert [found.shape for found in columns] == [(0, N_CODES)] * len(texts)


def test_listings_mark_entries_in_their_document(docs: list[Doc], table: ListingTable) -> None:
    model = listing_features()
    assert set_table(model, table, "ticker_ner")
    model.initialize(X=docs)
    assert model.get_dim("nO") == table.width == 4 * len(table.labels)
    columns = model.predict(docs)
    assert [found.shape for found in columns] == [(len(doc), table.width) for doc in docs]
    assert np.vstack([np.asarray(found) for found in columns]).tolist() == table.features(docs).tolist()
    assert words_marked(model, docs) == ["Acorn", "Mills", "ACM", "Oslo", "Acorn", "Mills"]


@pytest.mark.parametrize("texts", [[], [""], ["", ""]])
def test_listings_of_nothing(nlp: Language, table: ListingTable, texts: list[str]) -> None:
    model = listing_features()
    set_table(model, table, "ticker_ner")
    columns = model.predict([nlp.make_doc(text) for text in texts])
    assert [found.shape for found in columns] == [(0, table.width)] * len(texts)


@pytest.mark.parametrize("layer", [symbol_features, listing_features])
def test_backward_pass_takes_any_gradient(layer: type, docs: list[Doc], table: ListingTable) -> None:
    model = layer()
    set_table(model, table, "ticker_ner")
    columns, backprop = model(docs, is_train=True)
    assert backprop(columns) == docs


def test_no_table_is_refused(docs: list[Doc]) -> None:
    for use in (listing_features().initialize, lambda: listing_features().predict(docs)):
        with pytest.raises(NlpkitError, match=r"\[N071\].*set_listings"):
            use()


def test_no_layer_for_the_table(table: ListingTable) -> None:
    assert not set_table(symbol_features(), table, "ticker_ner")


def test_table_is_saved_with_the_layer(docs: list[Doc], table: ListingTable) -> None:
    model = listing_features()
    set_table(model, table, "ticker_ner")
    model.initialize(X=docs)
    copies = {
        "bytes": listing_features().from_bytes(model.to_bytes()),
        "copy": model.copy(),
        "table": listing_features().from_bytes(pickle.loads(pickle.dumps(model.to_bytes()))),
    }
    for copy in copies.values():
        assert copy.attrs["slot"].table.content_hash == table.content_hash
        assert copy.get_dim("nO") == table.width
        assert words_marked(copy, docs) == words_marked(model, docs)
    assert listing_features().from_bytes(listing_features().to_bytes()).attrs["slot"].table is None


def test_table_of_other_labels_is_refused_once_trained(nlp: Language, table: ListingTable, tmp_path: Path) -> None:
    path = write_table(tmp_path / "other.csv", "Acorn Mills,,COMPANY\n")
    other = ListingTable.from_file(path, nlp.tokenizer, cache=None)
    model = listing_features()
    set_table(model, other, "finder")
    set_table(model, table, "finder")  # nothing was learned on it yet
    model.initialize()
    with pytest.raises(NlpkitError, match=r"\[N070\].*'finder'.*COMPANY"):
        set_table(model, other, "finder")
    assert model.attrs["slot"].table is table


def test_columns_are_arrays_of_the_layers_ops(docs: list[Doc]) -> None:
    assert all(isinstance(found, get_current_ops().xp.ndarray) for found in symbol_features().predict(docs))
