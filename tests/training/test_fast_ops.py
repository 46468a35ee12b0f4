"""The fast path changes speed alone: outputs to rounding, and only where it was asked for and pays."""

import pickle
import subprocess
import sys
from collections.abc import Iterator

import numpy
import pytest
import spacy
from spacy.lang.en import English
from spacy.language import Language
from spacy.training import Example
from thinc.api import NumpyOps, fix_random_seed, get_current_ops, set_current_ops

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.training.fast_ops import FastNumpyOps, choose_ops, measure_gain, use_fast_ops

ALWAYS = 0
NEVER = 1e9
TEXTS = ["Intel rose in Berlin .", "Shares of Dell fell .", "", "Mary Jones left IBM for Apple ."]
LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96, "upstream": "*"}
CALLBACK = {"nlp": {"after_pipeline_creation": {"@callbacks": "spacy_nlpkit.fast_ops.v1", "min_gain": ALWAYS}}}


@pytest.fixture(autouse=True)
def _keep_current_ops() -> Iterator[None]:
    before = get_current_ops()
    set_current_ops(NumpyOps())
    yield
    set_current_ops(before)


def make_examples(nlp: Language) -> list[Example]:
    return [
        Example.from_dict(
            nlp.make_doc("Intel rose in Berlin ."),
            {"entities": [(0, 5, "ORG"), (14, 20, "GPE")], "tags": ["N", "V", "P", "N", "."]},
        ),
        Example.from_dict(
            nlp.make_doc("Shares of Dell fell ."),
            {"entities": [(10, 14, "ORG")], "tags": ["N", "P", "N", "V", "."]},
        ),
    ]


@pytest.fixture(scope="module")
def trained() -> Language:
    """A tok2vec with two listeners, one of them with the Cython transition model."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    for factory in ("tagger", "ner"):
        nlp.add_pipe(factory, config={"model": {"tok2vec": LISTENER}})
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(15):
        nlp.update(examples, sgd=optimizer)
    return nlp


@pytest.fixture
def nlp(trained: Language) -> Language:
    """A fresh copy: spaCy cannot pickle a listener that has just been trained."""
    return English.from_config(trained.config).from_bytes(trained.to_bytes())


def ops_of(nlp: Language) -> list[NumpyOps]:
    return [node.ops for _, pipe in nlp.components for node in pipe.model.walk()]


def annotations(nlp: Language) -> list[tuple]:
    return [
        ([token.tag_ for token in doc], [(ent.start, ent.end, ent.label_) for ent in doc.ents])
        for doc in nlp.pipe(TEXTS)
    ]


def test_outputs_equal_to_rounding(nlp: Language) -> None:
    before = annotations(nlp)
    assert any(ents for _, ents in before)
    vectors = [doc.tensor for doc in nlp.pipe(TEXTS)]
    assert use_fast_ops(nlp, min_gain=ALWAYS)
    assert all(isinstance(ops, FastNumpyOps) and not ops.use_blis for ops in ops_of(nlp))
    assert annotations(nlp) == before
    for doc, vector in zip(nlp.pipe(TEXTS), vectors):
        numpy.testing.assert_allclose(doc.tensor, vector, rtol=1e-4, atol=1e-5)


def test_gemm_equals_blis_in_every_form() -> None:
    rng = numpy.random.default_rng(0)
    x, y = (rng.normal(size=(30, 30)).astype("float32") for _ in range(2))
    for trans1 in (False, True):
        for trans2 in (False, True):
            out = numpy.empty((30, 30), dtype="float32")
            fast = choose_ops(ALWAYS).gemm(x, y, out=out, trans1=trans1, trans2=trans2)
            assert fast is out
            expected = NumpyOps().gemm(x, y, trans1=trans1, trans2=trans2)
            numpy.testing.assert_allclose(fast, expected, rtol=1e-4, atol=1e-4)


def test_training_goes_the_same_way(nlp: Language) -> None:
    twin = pickle.loads(pickle.dumps(nlp))
    use_fast_ops(twin, min_gain=ALWAYS)
    losses: list[dict[str, float]] = []
    for one in (nlp, twin):
        examples = make_examples(one)
        optimizer = one.create_optimizer()
        losses.append({})
        fix_random_seed(0)  # the transition model cuts its oracle at random
        for _ in range(5):
            one.update(examples, sgd=optimizer, drop=0.0, losses=losses[-1])
    assert losses[1] == pytest.approx(losses[0], rel=1e-3, abs=1e-4)


def test_repeated_call_keeps_the_same_ops(nlp: Language) -> None:
    use_fast_ops(nlp, min_gain=ALWAYS)
    first = [id(ops) for ops in ops_of(nlp)]
    assert use_fast_ops(nlp, min_gain=ALWAYS)
    assert [id(ops) for ops in ops_of(nlp)] == first


def test_nothing_changes_without_the_gain_asked_for(nlp: Language) -> None:
    before = [id(ops) for ops in ops_of(nlp)]
    current = get_current_ops()
    assert not use_fast_ops(nlp, min_gain=NEVER)
    assert [id(ops) for ops in ops_of(nlp)] == before
    assert get_current_ops() is current


def test_other_ops_are_left_alone(nlp: Language) -> None:
    class OtherOps(NumpyOps):
        """Stands for ops with products of their own, such as Apple's."""

    other, chosen_by_user = OtherOps(), NumpyOps(use_blis=False)
    for node in nlp.get_pipe("tagger").model.walk():
        node.ops = other
    for node in nlp.get_pipe("ner").model.walk():
        node.ops = chosen_by_user
    set_current_ops(other)
    assert use_fast_ops(nlp, min_gain=ALWAYS)
    assert {id(node.ops) for node in nlp.get_pipe("tagger").model.walk()} == {id(other)}
    assert {id(node.ops) for node in nlp.get_pipe("ner").model.walk()} == {id(chosen_by_user)}
    assert all(isinstance(node.ops, FastNumpyOps) for node in nlp.get_pipe("tok2vec").model.walk())
    assert get_current_ops() is other


def test_disabled_components_and_copies_are_switched(nlp: Language) -> None:
    nlp.disable_pipe("ner")
    use_fast_ops(nlp, min_gain=ALWAYS)
    assert all(isinstance(ops, FastNumpyOps) for ops in ops_of(nlp))
    nlp.replace_listeners("tok2vec", "tagger", ["model.tok2vec"])
    assert all(isinstance(node.ops, FastNumpyOps) for node in nlp.get_pipe("tagger").model.walk())


def test_callback_holds_at_load(nlp: Language, tmp_path) -> None:
    nlp.to_disk(tmp_path / "plain")
    expected = annotations(nlp)
    fast = spacy.load(tmp_path / "plain", config=CALLBACK)
    assert all(isinstance(ops, FastNumpyOps) for ops in ops_of(fast))
    assert annotations(fast) == expected
    fast.to_disk(tmp_path / "fast")
    set_current_ops(NumpyOps())
    again = spacy.load(tmp_path / "fast")
    assert all(isinstance(ops, FastNumpyOps) for ops in ops_of(again))
    assert annotations(again) == expected
    assert [m.to_bytes() for _, m in again.pipeline] == [m.to_bytes() for _, m in nlp.pipeline]


def test_pickle_and_spawned_workers_keep_it(nlp: Language) -> None:
    use_fast_ops(nlp, min_gain=ALWAYS)
    expected = annotations(nlp)
    copied = pickle.loads(pickle.dumps(nlp))
    assert all(isinstance(ops, FastNumpyOps) for ops in ops_of(copied))
    assert annotations(copied) == expected
    parallel = [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in nlp.pipe(TEXTS, n_process=2)]
    assert parallel == [ents for _, ents in expected]


def test_measure_is_cached_and_decides() -> None:
    gain = measure_gain()
    assert gain > 0
    assert measure_gain() == gain
    assert isinstance(choose_ops(gain), FastNumpyOps)
    assert type(choose_ops(gain * 1.01)) is NumpyOps


def test_negative_gain_is_refused() -> None:
    with pytest.raises(NlpkitError, match="N006"):
        choose_ops(-1)


def test_threads_of_the_process_are_kept() -> None:
    code = """
import numpy
from thinc.api import NumpyOps, get_current_ops
from spacy_nlpkit.training import fast_ops

assert type(get_current_ops()) is NumpyOps, "import changed the current ops"
get_threads, set_threads = fast_ops._openblas_threads()
set_threads(3)
before = get_threads()
x = numpy.ones((64, 64), dtype="float32")
fast_ops.choose_ops(0).gemm(x, x)
assert get_threads() == before
print("kept")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "kept"), done.stderr
