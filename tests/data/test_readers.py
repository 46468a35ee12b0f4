"""The corpus readers: what the predicted side gets, what is an error, and the mixture of two corpora."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.util import load_config_from_str, registry, resolve_dot_names

from spacy_nlpkit.attributes import register_item_attributes
from spacy_nlpkit.data.readers import Corpus, MixedCorpus
from spacy_nlpkit.errors import NlpkitError

TEXTS = ["Acme rose.", "Shares of Bolt fell in Paris.", "Crux is closed."]

CONFIG = """
[paths]
train = null
dev = null

[nlp]
lang = "en"
pipeline = []

[corpora]

[corpora.train]
@readers = "spacy_nlpkit.Corpus.v1"
path = ${paths.train}

[corpora.dev]
@readers = "spacy_nlpkit.MixedCorpus.v1"
ratio = 0.5

[corpora.dev.gold]
@readers = "spacy_nlpkit.Corpus.v1"
path = ${paths.train}

[corpora.dev.extra]
@readers = "spacy_nlpkit.Corpus.v1"
path = ${paths.train}
limit = 2
"""


@pytest.fixture
def nlp() -> Language:
    register_item_attributes()
    return spacy.blank("en")


def make_doc(nlp: Language, text: str, number: int = 0) -> Doc:
    doc = nlp.make_doc(text)
    if text.startswith("Acme"):
        doc.ents = [doc.char_span(0, 4, label="ORG", kb_id="org:1")]
    doc._.date = "2004-08-1" + str(number)
    doc._.item_id = f"item-{number}"
    doc._.category = "Business"
    return doc


def write(path: Path, docs: list[Doc]) -> Path:
    DocBin(store_user_data=True, docs=docs).to_disk(path)
    return path


@pytest.fixture
def corpus_path(tmp_path: Path, nlp: Language) -> Path:
    return write(tmp_path / "train.spacy", [make_doc(nlp, text, i) for i, text in enumerate(TEXTS)])


def texts_of(examples: list[Example]) -> list[str]:
    return [example.reference.text for example in examples]


def test_predicted_side_gets_what_components_read_and_no_more(nlp: Language, corpus_path: Path) -> None:
    example = next(iter(Corpus(corpus_path)(nlp)))
    assert example.predicted._.date == "2004-08-10"
    assert example.predicted._.item_id == "item-0"
    assert example.predicted._.category is None
    assert not example.predicted.ents
    assert example.reference._.category == "Business"
    assert [(ent.text, ent.kb_id_) for ent in example.reference.ents] == [("Acme", "org:1")]


def test_can_be_called_again_and_limited(nlp: Language, corpus_path: Path) -> None:
    corpus = Corpus(corpus_path, limit=2)
    assert texts_of(list(corpus(nlp))) == texts_of(list(corpus(nlp))) == TEXTS[:2]
    assert sorted(texts_of(list(Corpus(corpus_path, shuffle=True)(nlp)))) == sorted(TEXTS)


def test_limit_counts_over_the_files_of_a_folder(nlp: Language, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    write(tmp_path / "a.spacy", [make_doc(nlp, "One is."), make_doc(nlp, "Two is.")])
    write(tmp_path / "b" / "b.spacy", [make_doc(nlp, "Three is."), make_doc(nlp, "Four is.")])
    write(tmp_path / ".hidden.spacy", [make_doc(nlp, "Never is.")])
    assert texts_of(list(Corpus(tmp_path)(nlp))) == ["One is.", "Two is.", "Three is.", "Four is."]
    assert texts_of(list(Corpus(tmp_path, limit=3)(nlp))) == ["One is.", "Two is.", "Three is."]


def test_long_documents_are_split_where_they_have_sentences(nlp: Language, tmp_path: Path) -> None:
    nlp.add_pipe("sentencizer")
    text = "Acme rose today. Bolt fell, as all the others did in the long afternoon. Crux closed."
    doc = nlp(text)
    doc._.date = "2004"
    corpus = Corpus(write(tmp_path / "a.spacy", [doc]), max_length=6)
    with pytest.warns(UserWarning, match=r"NW035.* 0 documents without tokens, and 1 documents or sentences"):
        examples = list(corpus(nlp))
    assert texts_of(examples) == ["Acme rose today. ", "Crux closed."]
    assert [example.predicted._.date for example in examples] == ["2004", "2004"]
    # It warns once: the next round is read without.
    assert len(list(corpus(nlp))) == 2


def test_gold_preproc_takes_gold_tokens_and_sentences(nlp: Language, tmp_path: Path) -> None:
    words = ["Corp.", "A", "fell.", "So", "did", "B."]
    doc = Doc(nlp.vocab, words=words, sent_starts=[1, 0, 0, 1, 0, 0])
    examples = list(Corpus(write(tmp_path / "a.spacy", [doc]), gold_preproc=True)(nlp))
    assert [[token.text for token in eg.predicted] for eg in examples] == [words[:3], words[3:]]


def test_augmenter_is_called_on_each_example(nlp: Language, corpus_path: Path) -> None:
    def twice(nlp: Language, example: Example):
        yield example
        yield example

    assert len(list(Corpus(corpus_path, augmenter=twice)(nlp))) == 2 * len(TEXTS)


def test_works_from_a_config_whose_path_is_null_until_it_is_read(corpus_path: Path) -> None:
    config = load_config_from_str(CONFIG, overrides={}, interpolate=True)
    (train,) = resolve_dot_names(config, ["corpora.train"])
    nlp = spacy.blank("en")
    with pytest.raises(NlpkitError, match="N035"):
        train(nlp)
    config = load_config_from_str(CONFIG, overrides={"paths.train": str(corpus_path)}, interpolate=True)
    train, dev = resolve_dot_names(config, ["corpora.train", "corpora.dev"])
    assert len(list(train(nlp))) == 3
    assert len(list(dev(nlp))) == 5


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [("absent.spacy", None, "N036"), ("empty.spacy", b"", "N029"), ("junk.spacy", b"no DocBin", "N032")],
)
def test_files_that_cannot_be_read(nlp: Language, tmp_path: Path, name: str, content: bytes | None, code: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NlpkitError, match=rf"\[{code}\] .*{name}"):
        list(Corpus(path)(nlp))


def test_nothing_to_read_is_an_error(nlp: Language, tmp_path: Path) -> None:
    with pytest.raises(NlpkitError, match="N037"):
        Corpus(tmp_path)(nlp)
    path = write(tmp_path / "none.spacy", [])
    with pytest.raises(NlpkitError, match=r"N038.*0 documents"):
        list(Corpus(path)(nlp))
    path = write(tmp_path / "long.spacy", [make_doc(nlp, TEXTS[1]), Doc(nlp.vocab)])
    with pytest.raises(NlpkitError, match=r"N038.*2 documents: 1 are empty, 1 pieces"):
        list(Corpus(path, max_length=3)(nlp))


def extra_corpus(tmp_path: Path, nlp: Language, size: int) -> Corpus:
    docs = [make_doc(nlp, f"Silver number {i}.", i % 10) for i in range(size)]
    return Corpus(write(tmp_path / "extra.spacy", docs))


def test_mixture_holds_all_gold_and_a_fresh_sample(nlp: Language, corpus_path: Path, tmp_path: Path) -> None:
    extra = extra_corpus(tmp_path, nlp, 40)
    corpus = MixedCorpus(Corpus(corpus_path), extra, ratio=2.0, seed=7)
    rounds = [texts_of(list(corpus(nlp))) for _ in range(3)]
    samples = [{text for text in texts if text.startswith("Silver")} for texts in rounds]
    for texts, sample in zip(rounds, samples):
        assert set(TEXTS) <= set(texts)
        assert len(texts) == 9
        assert len(sample) == 6
    assert samples[0] != samples[1] != samples[2]
    assert rounds[0][:3] != TEXTS or rounds[1][:3] != TEXTS
    again = MixedCorpus(Corpus(corpus_path), extra, ratio=2.0, seed=7)
    assert [texts_of(list(again(nlp))) for _ in range(3)] == rounds
    other = MixedCorpus(Corpus(corpus_path), extra, ratio=2.0, seed=8)
    assert texts_of(list(other(nlp))) != rounds[0]


def test_extra_is_read_once_for_a_pipeline(nlp: Language, corpus_path: Path, tmp_path: Path) -> None:
    extra = extra_corpus(tmp_path, nlp, 10)
    corpus = MixedCorpus(Corpus(corpus_path), extra, ratio=1.0)
    first = list(corpus(nlp))
    (tmp_path / "extra.spacy").unlink()
    assert len(list(corpus(nlp))) == len(first) == 6
    with pytest.raises(NlpkitError, match="N036"):
        list(corpus(spacy.blank("en")))


def test_mixture_warns_where_there_is_too_little(nlp: Language, corpus_path: Path, tmp_path: Path) -> None:
    corpus = MixedCorpus(Corpus(corpus_path), extra_corpus(tmp_path, nlp, 2), ratio=1.0)
    with pytest.warns(UserWarning, match=r"NW036.*asks for 3 .* only 2"):
        assert len(list(corpus(nlp))) == 5
    with pytest.raises(NlpkitError, match=r"N006.*ratio"):
        MixedCorpus(Corpus(corpus_path), Corpus(corpus_path), ratio=-1.0)


def test_registered_by_entry_point() -> None:
    assert registry.readers.get("spacy_nlpkit.Corpus.v1")("x").path == "x"


def read_entities(nlp: Language, path: Path, **settings: object) -> list[Example]:
    config = load_config_from_str(CONFIG)
    config["corpora"] = {"train": {"@readers": "spacy_nlpkit.Corpus.v1", "path": str(path), **settings}}
    return list(registry.resolve(config["corpora"])["train"](nlp))


def test_gold_entities_come_without_their_ids(nlp: Language, tmp_path: Path) -> None:
    docs = [make_doc(nlp, text) for text in TEXTS[:2]]
    docs[0].spans["names"] = [Span(docs[0], 0, end, "NAME", kb_id=f"org:{end}") for end in (1, 2)]
    docs[1].set_ents([docs[1].char_span(10, 14, label="ORG", kb_id="org:2")], default="missing")
    path = write(tmp_path / "a.spacy", docs)
    acme, bolt = read_entities(nlp, path, entities="gold", spans_key="names")
    assert [(ent.text, ent.label_, ent.kb_id_) for ent in acme.predicted.ents] == [("Acme", "ORG", "")]
    assert [(s.text, s.label_, s.kb_id_) for s in acme.predicted.spans["names"]] == [
        ("Acme", "NAME", ""),
        ("Acme rose", "NAME", ""),
    ]
    assert [ent.kb_id_ for ent in acme.reference.ents] == ["org:1"]
    assert [token.ent_iob_ for token in acme.predicted] == ["B", "O", "O"]
    assert [token.ent_iob_ for token in bolt.predicted] == ["", "", "B", "", "", "", ""]
    assert acme.predicted._.date == "2004-08-10"
    for example in read_entities(nlp, path):
        assert not example.predicted.has_annotation("ENT_IOB")
        assert not example.predicted.spans


def test_gold_entities_are_put_on_the_tokens_of_the_pipeline(nlp: Language, tmp_path: Path) -> None:
    words = ["Shares", "of", "BRK", ".", "A", "and", "T", "X"]
    spaces = [True, True, False, False, True, True, False, False]
    doc = Doc(nlp.vocab, words=words, spaces=spaces)
    doc.set_ents([Span(doc, 2, 5, "TICKER", kb_id="org:1"), Span(doc, 6, 7, "TICKER", kb_id="org:2")])
    (example,) = read_entities(nlp, write(tmp_path / "a.spacy", [doc]), entities="gold")
    assert [token.text for token in example.predicted] == ["Shares", "of", "BRK.A", "and", "TX"]
    assert [(ent.text, ent.label_) for ent in example.predicted.ents] == [("BRK.A", "TICKER")]


def test_augmented_examples_have_gold_entities_of_their_own(nlp: Language, tmp_path: Path) -> None:
    path = write(tmp_path / "a.spacy", [make_doc(nlp, TEXTS[0])])
    augmenter = {"@augmenters": "spacy_nlpkit.lower_case_entities.v1", "level": 1.0}
    (example,) = read_entities(nlp, path, entities="gold", augmenter=augmenter)
    assert [(ent.text, ent.label_) for ent in example.predicted.ents] == [("acme", "ORG")]


@pytest.mark.parametrize("settings", [{"entities": "silver"}, {"spans_key": "names"}])
def test_settings_of_entities_are_checked(nlp: Language, corpus_path: Path, settings: dict[str, str]) -> None:
    with pytest.raises(NlpkitError, match=rf"N006.*{next(iter(settings))}"):
        read_entities(nlp, corpus_path, **settings)
