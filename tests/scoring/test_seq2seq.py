"""The scorer of seq2seq: against sacreBLEU called directly, against hand-computed cases, and what is not annotated."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import Any

import pytest
import spacy
from sacrebleu.metrics import BLEU, CHRF, TER
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import registry

from spacy_nlpkit.attributes import register, register_written, set_written
from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.scoring.rouge import rouge_l, rouge_n, split_words
from spacy_nlpkit.scoring.seq2seq import METRICS, TOKENIZERS, make_seq2seq_scorer, score_seq2seq
from spacy_nlpkit.ty import Written

VOCAB = spacy.blank("en").vocab
WRITTEN = [
    "The cat sat on a mat.",
    "A dog runs through the high grass, and barks!",
    "Two men are talking.",
    "",
    "the the the the",
]
TARGETS = [
    "The cat sat on the mat.",
    "A dog runs through tall grass and barks!",
    "Two men talk to each other.",
    "Nobody is here.",
    "The end",
]
SECOND = [
    "A cat was sitting on a mat.",
    "The dog runs through high grass, barking.",
    "Two men are talking with one another.",
    "No one",
    "the end",
]


@pytest.fixture(autouse=True, scope="module")
def _attribute() -> None:
    register_written("seq2seq")
    for owner in ("Doc", "Span"):
        register(owner, "target")


def make_written(text: str) -> Written:
    return {"text": text, "score": 0.5, "nbest": [{"text": text, "score": 0.5}], "attention": None}


def make_examples(written: list[str | None], targets: list[Any]) -> list[Example]:
    examples = []
    for text, target in zip(written, targets, strict=True):
        example = Example(Doc(VOCAB, words=["Eine", "Katze"]), Doc(VOCAB, words=["Eine", "Katze"]))
        if text is not None:
            set_written(example.predicted, "seq2seq", make_written(text))
        example.reference._.target = target
        examples.append(example)
    return examples


def score(written: list[str | None], targets: list[Any], *metrics: str, **settings: Any) -> dict[str, Any]:
    return score_seq2seq(make_examples(written, targets), metrics=metrics, **settings)


# sacreBLEU


@pytest.mark.parametrize("tokenize", TOKENIZERS)
@pytest.mark.parametrize("lowercase", [False, True])
def test_figures_and_signatures_are_those_of_sacrebleu(tokenize: str, lowercase: bool) -> None:
    scores = score(WRITTEN, TARGETS, "bleu", "chrf", "ter", tokenize=tokenize, lowercase=lowercase)
    peers = {
        "bleu": BLEU(tokenize=tokenize, lowercase=lowercase),
        "chrf": CHRF(lowercase=lowercase),
        "ter": TER(case_sensitive=not lowercase),
    }
    for name, metric in peers.items():
        expected = metric.corpus_score(WRITTEN, [TARGETS]).score / 100
        assert 0 < expected < 2
        assert scores[f"seq2seq_{name}"] == pytest.approx(expected, abs=1e-12)
        assert scores[f"seq2seq_{name}_signature"] == str(metric.get_signature())
    assert f"tok:{tokenize}" in scores["seq2seq_bleu_signature"]
    assert json.loads(json.dumps(scores)) == scores


def test_a_perfect_text_has_full_marks_and_no_edits() -> None:
    scores = score(TARGETS, TARGETS, *METRICS)
    for name in ("bleu", "chrf", "exact", "rouge1", "rougel", "length_ratio"):
        assert scores[f"seq2seq_{name}"] == pytest.approx(1.0, abs=1e-9), name
    assert scores["seq2seq_ter"] == 0.0


def test_bleu_by_hand() -> None:
    # 3 of 4 words, 1 of 3 pairs, no triple: these two are smoothed to 1/(2*2) and 1/(4*1); as long as the target.
    expected = math.exp((math.log(3 / 4) + math.log(1 / 3) + math.log(1 / 4) + math.log(1 / 4)) / 4)
    assert score(["a b x d"], ["a b c d"], "bleu")["seq2seq_bleu"] == pytest.approx(expected, abs=1e-9)
    assert score(["a x c d"], ["a b c d"], "ter")["seq2seq_ter"] == 0.25


@pytest.mark.parametrize("kind", [list, tuple])
def test_several_targets(kind: type) -> None:
    scores = score(WRITTEN, [kind(pair) for pair in zip(TARGETS, SECOND)], *METRICS)
    for name, metric in (("bleu", BLEU()), ("chrf", CHRF()), ("ter", TER(case_sensitive=True))):
        expected = metric.corpus_score(WRITTEN, [TARGETS, SECOND]).score / 100
        assert scores[f"seq2seq_{name}"] == pytest.approx(expected, abs=1e-12)
        assert "nrefs:2" in scores[f"seq2seq_{name}_signature"]
    assert scores["seq2seq_bleu"] > score(WRITTEN, TARGETS, "bleu")["seq2seq_bleu"]


def test_targets_may_differ_in_number() -> None:
    targets = [TARGETS[0], [TARGETS[1], SECOND[1]], [TARGETS[2]], TARGETS[3], TARGETS[4]]
    scores = score(WRITTEN, targets, "bleu")
    metric = BLEU()
    expected = metric.corpus_score(WRITTEN, [TARGETS, [None, SECOND[1], None, None, None]]).score / 100
    assert scores["seq2seq_bleu"] == pytest.approx(expected, abs=1e-12)
    assert "nrefs:var" in scores["seq2seq_bleu_signature"]


def test_tokenized_texts_are_no_news_where_they_are_expected(caplog: pytest.LogCaptureFixture) -> None:
    texts = ["It rains in Paris ."] * 200
    assert score(texts, texts, "bleu", tokenize="none")["seq2seq_bleu"] == pytest.approx(1.0)
    assert caplog.records == []


# Exact matches, lengths, ROUGE


def test_exact_matches() -> None:
    targets = ["yes", "No", ["a", "b"], "c ", ""]
    assert score(["yes", "no", "b", "c", ""], targets, "exact")["seq2seq_exact"] == 3 / 5
    assert score(["yes", "no", "B", "c", ""], targets, "exact", lowercase=True)["seq2seq_exact"] == 4 / 5


def test_the_length_ratio_is_of_characters_and_the_closest_target() -> None:
    assert score(["abcd", "ab"], ["ab", "ab"], "exact")["seq2seq_length_ratio"] == 1.5
    assert score(["abcd"], [["a", "abc", "abcdefgh"]], "exact")["seq2seq_length_ratio"] == pytest.approx(4 / 3)
    assert score(["abcd"], [["abcde", "abc"]], "exact")["seq2seq_length_ratio"] == pytest.approx(4 / 3)
    assert score(["abcd"], [""], "exact")["seq2seq_length_ratio"] is None


def test_rouge_by_hand() -> None:
    # Shared: the, cat, mat of 5 and 4 words; one pair, "the cat", of 4 and 3; in order all three.
    scores = score(["the cat: mat, so"], ["The cat has a mat"], "rouge")
    assert scores["seq2seq_rouge1"] == pytest.approx(2 * 3 / 9)
    assert scores["seq2seq_rouge2"] == pytest.approx(2 * 1 / 7)
    assert scores["seq2seq_rougel"] == pytest.approx(2 * 3 / 9)
    # A word counts as often as both texts have it, and order matters to the subsequence alone.
    assert rouge_n(["a", "a", "b"], ["a", "a", "a"], 1) == pytest.approx(2 / 3)
    assert rouge_n(["a"], ["a"], 2) == 0.0
    assert rouge_l(["a", "b", "c"], ["c", "b", "a"]) == pytest.approx(1 / 3)
    assert rouge_l([], []) == 0.0


def test_rouge_is_the_mean_over_texts_of_the_best_target() -> None:
    scores = score(["a b", "x"], [["a", "a b"], "y"], "rouge")
    assert scores["seq2seq_rouge1"] == scores["seq2seq_rouge2"] == scores["seq2seq_rougel"] == 0.5


def test_rouge_knows_letters_of_all_scripts() -> None:
    assert split_words("Die Tür, l'été_2!") == ["die", "tür", "l", "été", "2"]
    assert split_words("हिन्दी में") == ["हिन्दी", "में"]
    assert split_words("T\u0075\u0308r") == split_words("Tür")
    assert score(["قطة سوداء"], ["قطة بيضاء"], "rouge")["seq2seq_rouge1"] == 0.5
    assert score(["猫坐着"], ["猫坐下"], "rouge", tokenize="13a")["seq2seq_rougel"] == 0.0
    assert score(["猫坐着"], ["猫坐下"], "rouge", tokenize="zh")["seq2seq_rougel"] == pytest.approx(2 / 3)


def test_rouge_is_that_of_google_on_english() -> None:
    rouge_scorer = pytest.importorskip("rouge_score.rouge_scorer")
    peer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"])
    scores = score(WRITTEN, list(zip(TARGETS, SECOND)), "rouge")
    for name in ("rouge1", "rouge2", "rougeL"):
        best = [peer.score_multi(list(pair), text)[name].fmeasure for text, *pair in zip(WRITTEN, TARGETS, SECOND)]
        assert scores[f"seq2seq_{name.lower()}"] == pytest.approx(sum(best) / len(best), abs=1e-12)


# What is not annotated, and what was not written


@pytest.mark.parametrize("missing", [None, [], ()])
def test_what_has_no_target_is_not_scored(missing: Any) -> None:
    partial = score([*WRITTEN, "Anything"], [*TARGETS, missing], *METRICS)
    assert partial == score(WRITTEN, TARGETS, *METRICS)
    nothing = score(WRITTEN, [missing] * 5, *METRICS, perplexity=None)
    assert set(nothing) == set(partial)
    assert set(nothing.values()) == {None}
    assert score([], [], "bleu")["seq2seq_bleu"] is None


def test_nothing_written_is_an_empty_text() -> None:
    empty = score(["a b c d", ""], ["a b c d", "x y"], *METRICS)
    assert score(["a b c d", None], ["a b c d", "x y"], *METRICS) == empty
    assert empty["seq2seq_exact"] == empty["seq2seq_rouge1"] == 0.5
    # Half of the words are missing: the precision is full, so the rest is the brevity penalty.
    assert empty["seq2seq_bleu"] == pytest.approx(math.exp(1 - 6 / 4))
    assert empty["seq2seq_ter"] == pytest.approx(2 / 6)
    assert score([""], [""], "exact")["seq2seq_exact"] == 1.0


@pytest.mark.parametrize("target", [7, ["right", None], {"text": "right"}])
def test_targets_of_another_type_are_refused(target: Any) -> None:
    with pytest.raises(NlpkitError, match=r"N250.*Eine Katze"):
        score(["right"], [target], "bleu")


def test_only_the_asked_metrics_are_measured() -> None:
    scores = score(WRITTEN, TARGETS, "exact", perplexity=12.5)
    assert set(scores) == {"seq2seq_exact", "seq2seq_length_ratio", "seq2seq_perplexity"}
    assert scores["seq2seq_perplexity"] == 12.5


# The registered function


def test_the_registered_scorer_has_its_settings_and_takes_others_by_call() -> None:
    examples = make_examples(["A B"], ["a b"])
    scorer = make_seq2seq_scorer(["exact"], lowercase=True)
    assert scorer(iter(examples), labels=[], threshold=0.5)["seq2seq_exact"] == 1.0
    assert scorer(examples, lowercase=False)["seq2seq_exact"] == 0.0
    assert set(make_seq2seq_scorer()(examples)) >= {"seq2seq_bleu", "seq2seq_chrf"}


def test_the_scorer_is_found_through_its_entry_point() -> None:
    scorer = registry.scorers.get("spacy_nlpkit.seq2seq_scorer.v1")(["exact"])
    assert scorer(make_examples(["a"], ["a"]))["seq2seq_exact"] == 1.0


@pytest.mark.parametrize(
    "settings", [{"metrics": ["bleu", "meteor"]}, {"metrics": "bleu"}, {"tokenize": "spm"}, {"tokenize": ""}]
)
def test_unknown_settings_are_refused_at_once(settings: dict[str, Any]) -> None:
    with pytest.raises(NlpkitError, match="N006"):
        make_seq2seq_scorer(**settings)
    with pytest.raises(NlpkitError, match="N006"):
        score_seq2seq([], **settings)


def test_another_attribute() -> None:
    register_written("summary_of_tests")
    examples = make_examples(["wrong"], ["right"])
    set_written(examples[0].predicted, "summary_of_tests", make_written("right"))
    assert score_seq2seq(examples, attribute="summary_of_tests", metrics=["exact"])["seq2seq_exact"] == 1.0


def test_targets_of_spans() -> None:
    words = ["The", "1st", "of", "May", "is", "off"]
    example = Example(
        Doc(VOCAB, words=words), Doc(VOCAB, words=["The", "1", "st", *words[2:]], spaces=[1, 0, *[1] * 5])
    )
    reference, predicted = example.reference, example.predicted
    assert reference.text.strip() == predicted.text.strip()
    reference.spans["dates"] = [reference[1:5], reference[4:5], reference[1:2], reference[6:7]]
    for span, target in zip(reference.spans["dates"], ["05-01", ["May", "5"], "1", None]):
        span._.target = target
    for span, text in ((predicted[1:4], "05-01"), (predicted[3:4], "June"), (predicted[5:6], "never scored")):
        set_written(span, "seq2seq", make_written(text))
    scores = score_seq2seq([example], metrics=["exact"], spans_key="dates")
    assert scores["seq2seq_exact"] == pytest.approx(1 / 3), "no token is the 1 alone: nothing was written for it"
    assert scores["seq2seq_length_ratio"] == pytest.approx((5 + 4 + 0) / (5 + 3 + 1))
    assert score_seq2seq([example], metrics=["exact"], spans_key="others")["seq2seq_exact"] is None
    assert score_seq2seq([example], metrics=["exact"])["seq2seq_exact"] is None


def test_targets_that_come_from_a_file() -> None:
    examples = make_examples(WRITTEN, list(zip(TARGETS, SECOND)))
    data = DocBin(docs=[example.reference for example in examples], store_user_data=True).to_bytes()
    stored = DocBin().from_bytes(data).get_docs(VOCAB)
    again = [Example(example.predicted, doc) for example, doc in zip(examples, stored, strict=True)]
    assert score_seq2seq(again, metrics=METRICS) == score_seq2seq(examples, metrics=METRICS)


def test_without_sacrebleu_the_rest_is_scored_and_the_pip_line_named() -> None:
    code = (
        "import sys; sys.modules['sacrebleu'] = None\n"
        "from spacy_nlpkit.scoring.seq2seq import make_seq2seq_scorer\n"
        "print(make_seq2seq_scorer(['exact', 'rouge'])([]))\n"
        "make_seq2seq_scorer(['chrf'])([])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "seq2seq_exact" in done.stdout
    assert "N004" in done.stderr
    assert "sacrebleu" in done.stderr
