"""Extension attributes: set once, never over another package's, and whole after serialization."""

import json
import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span, Token

from spacy_nlpkit import attributes
from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.ty import Link

NAME = "house_test_attribute"
OWNERS = {"Doc": Doc, "Span": Span, "Token": Token}


@pytest.fixture(autouse=True)
def _removed_after() -> Iterator[None]:
    yield
    for owner in OWNERS.values():
        if owner.has_extension(NAME):
            owner.remove_extension(NAME)


@pytest.mark.parametrize("owner", sorted(OWNERS))
def test_default_is_none_and_twice_is_once(owner: str) -> None:
    attributes.register(owner, NAME)
    attributes.register(owner, NAME)
    assert OWNERS[owner].get_extension(NAME) == (None, None, None, None)


def test_values_stay_when_registered_again() -> None:
    attributes.register("Doc", NAME, default=[])
    doc = spacy.blank("en").make_doc("Intel rose .")
    doc._.get(NAME).append(1)
    attributes.register("Doc", NAME, default=[])
    assert doc._.get(NAME) == [1]


def test_getter_is_registered() -> None:
    attributes.register("Span", NAME, getter=lambda span: span.text.lower())
    assert spacy.blank("en")("Intel rose")[0:1]._.get(NAME) == "intel"


@pytest.mark.parametrize("definition", [{"default": 1}, {"getter": len}, {"method": print}])
def test_foreign_definition_is_refused_and_kept(definition: dict) -> None:
    Doc.set_extension(NAME, **definition)
    before = Doc.get_extension(NAME)
    with pytest.raises(NlpkitError, match=rf"N003.*Doc\._\.{NAME}"):
        attributes.register("Doc", NAME)
    assert Doc.get_extension(NAME) == before


def test_the_same_name_replaced_by_other_code_is_refused() -> None:
    attributes.register("Doc", NAME)
    Doc.set_extension(NAME, default="theirs", force=True)
    with pytest.raises(NlpkitError, match="N003"):
        attributes.register("Doc", NAME)


def test_items_carry_date_id_and_category_through_bytes() -> None:
    attributes.register_item_attributes()
    attributes.register_item_attributes()
    nlp = spacy.blank("en")
    doc = nlp.make_doc("Intel rose .")
    assert (doc._.date, doc._.item_id, doc._.category) == (None, None, None)
    doc._.date, doc._.item_id, doc._.category = "2004-08", "a-1", "business"
    again = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    assert (again._.date, again._.item_id, again._.category) == ("2004-08", "a-1", "business")


def test_confidence_survives_bytes() -> None:
    attributes.register_confidence()
    nlp = spacy.blank("en")
    doc = nlp.make_doc("Intel rose .")
    attributes.set_confidence(doc[0:1], 0.75, component="c", calibrated=True)
    again = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert again[0:1]._.confidence == 0.75
        assert again[1:2]._.confidence is None


def test_uncalibrated_confidence_warns_once_a_component() -> None:
    attributes.register_confidence()
    docs = [spacy.blank("en").make_doc("Intel rose .") for _ in range(2)]
    for doc in docs:
        attributes.set_confidence(doc[0:1], 0.75, component="house_test_component", calibrated=False)
    with pytest.warns(UserWarning, match=r"\[NW001\].*'house_test_component'"):
        assert docs[0][0:1]._.confidence == 0.75
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert docs[1][0:1]._.confidence == 0.75
        assert attributes.stored_confidence(docs[1][0:1]) == 0.75


def test_predictions_survive_bytes_and_a_docbin() -> None:
    attributes.register_prediction(NAME)
    attributes.register_prediction(NAME)
    nlp = spacy.blank("en")
    one, several, none = nlp.make_doc("Intel rose ."), nlp.make_doc("Dell fell ."), nlp.make_doc("Rain .")
    record = {"label": "Chips", "probability": 0.75, "abstained": False}
    attributes.set_prediction(one, NAME, record, component="c", calibrated=True)
    attributes.set_prediction(several, NAME, [record, {**record, "label": "PCs"}], component="c", calibrated=True)
    stored = DocBin(docs=[one, several, none], store_user_data=True).to_bytes()
    from_bytes = [Doc(nlp.vocab).from_bytes(doc.to_bytes()) for doc in (one, several, none)]
    for copies in (from_bytes, list(DocBin().from_bytes(stored).get_docs(nlp.vocab))):
        assert [doc._.get(NAME) for doc in copies] == [record, [record, {**record, "label": "PCs"}], None]


def test_uncalibrated_predictions_warn_once_a_component_and_by_attribute() -> None:
    attributes.register_prediction(NAME)
    doc = spacy.blank("en").make_doc("Intel rose .")
    attributes.set_prediction(doc, "another", 1, component="house_test_classifier", calibrated=False)
    attributes.set_prediction(doc, NAME, 2, component="house_test_classifier", calibrated=True)
    assert doc._.get(NAME) == 2  # a warning would raise
    attributes.set_prediction(doc, NAME, 3, component="house_test_classifier", calibrated=False)
    with pytest.warns(UserWarning, match=r"\[NW001\].*'house_test_classifier'"):
        assert doc._.get(NAME) == 3
    assert doc._.get(NAME) == 3
    attributes.set_prediction(doc, NAME, 4, component="house_test_classifier", calibrated=True)
    assert doc._.get(NAME) == 4


def test_a_prediction_is_not_registered_over_another_attribute() -> None:
    Doc.set_extension(NAME, default=None)
    with pytest.raises(NlpkitError, match=rf"N003.*Doc\._\.{NAME}"):
        attributes.register_prediction(NAME)


LINK: Link = {
    "candidates": [{"id": "org:dell", "label": "Dell", "score": 0.75, "source": "exact+fuzzy", "alias": "Dell Inc."}],
    "score": 0.75,
    "uri": "https://example.org/org:dell",
    "types": ["Company"],
    "description": "Maker of computers",
    "status": "linked",
}
NO_LINK: Link = {
    "candidates": [],
    "score": None,
    "uri": None,
    "types": [],
    "description": None,
    "status": "no_candidates",
}


def stored_link(span: Span) -> dict[str, Any]:
    return {name: span._.get(f"kb_{name}") for name in LINK}


def test_links_survive_bytes_a_docbin_and_json() -> None:
    attributes.register_links()
    attributes.register_links()
    nlp = spacy.blank("en")
    doc = nlp.make_doc("Dell fell , Intel rose .")
    attributes.set_link(doc[0:1], LINK)
    attributes.set_link(doc[3:4], NO_LINK)
    stored = DocBin(docs=[doc], store_user_data=True).to_bytes()
    as_json = json.loads(json.dumps(doc.to_json(underscore=list(attributes.LINK_ATTRIBUTES))))
    copies = [
        Doc(nlp.vocab).from_bytes(doc.to_bytes()),
        *DocBin().from_bytes(stored).get_docs(nlp.vocab),
        Doc(nlp.vocab).from_json(as_json),
        pickle.loads(pickle.dumps(doc)),
    ]
    for copy in copies:
        assert stored_link(copy[0:1]) == LINK
        assert stored_link(copy[3:4]) == NO_LINK
        assert set(stored_link(copy[4:5]).values()) == {None}


def test_links_move_with_joined_documents() -> None:
    attributes.register_links()
    nlp = spacy.blank("en")
    docs = [nlp.make_doc("Intel rose ."), nlp.make_doc("Dell fell .")]
    attributes.set_link(docs[1][0:1], LINK)
    attributes.set_link(docs[1][0:2], NO_LINK, in_group=True)
    joined = Doc.from_docs(docs)
    assert stored_link(joined[3:4]) == LINK
    assert stored_link(Span(joined, 3, 5)) == NO_LINK
    assert joined[0:1]._.kb_status is None


def test_spans_of_a_group_with_equal_bounds_have_links_of_their_own() -> None:
    attributes.register_links()
    nlp = spacy.blank("en")
    doc = nlp.make_doc("Dell fell .")
    firm, family = Span(doc, 0, 1, label="ORG"), Span(doc, 0, 1, label="FAMILY")
    entity = Span(doc, 0, 1, label="ENT")
    attributes.set_link(entity, {**LINK, "score": 0.5})
    attributes.set_link(firm, LINK, in_group=True)
    attributes.set_link(family, NO_LINK, in_group=True)
    doc = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    assert stored_link(Span(doc, 0, 1, label="ORG")) == LINK
    assert stored_link(Span(doc, 0, 1, label="FAMILY")) == NO_LINK
    assert stored_link(Span(doc, 0, 1, label="ENT")) == {**LINK, "score": 0.5}


def test_links_are_cleared_and_nothing_else() -> None:
    attributes.register_links()
    attributes.register_item_attributes()
    doc = spacy.blank("en").make_doc("Dell fell .")
    doc._.date = "2004"
    doc.user_data["other"] = 1
    before = dict(doc.user_data)
    attributes.set_link(doc[0:1], LINK)
    attributes.set_link(doc[1:2], LINK, in_group=True)
    attributes.clear_links(doc)
    assert doc.user_data == before
