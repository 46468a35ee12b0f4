"""Subword pieces: texts come back as they were, words stay apart, and what is drawn at random can be drawn again."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.subword_dropout import BpeDropout
from spacy_nlpkit.subwords import CONTINUES, END, KINDS, SPECIAL_PIECES, Subwords

TEXTS = [
    "Ein Mann fährt mit dem Fahrrad durch den Park.",
    "A man is riding his bicycle through the park.",
    "Zwei Hunde spielen im Park, ein Mann schaut zu.",
    "Two dogs are playing in the park, a man is watching.",
    "Der Mann schläft im Park; die Hunde schlafen auch.",
    "The man is sleeping in the park; the dogs are sleeping, too.",
] * 3
# What was never seen in training.
ODD = [
    "",
    " ",
    "  two  blanks   and more ",
    "tab\tand\nlines\r\nand \u2028separators\u2029\u0085.",
    "ที่นี่ไม่มีใครอยู่",
    "日本語　の\u00a0文",
    "👩‍👩‍👧 🏳️‍🌈 👍🏽!",
    "Cafe\u0301 e\u0301\u0323 \u0301start",
    "</s> <s><pad><unk> a<s>b",
    f"▁x {CONTINUES}y Ġz ##w a##b",
    "nul\x00 \x1b[0m \ufeff",
    "x" * 300 + " " * 200 + "12" * 100,
]


@pytest.fixture(scope="module", params=KINDS)
def subwords(request: pytest.FixtureRequest) -> Subwords:
    return Subwords.train(TEXTS, request.param, size=600)


@pytest.fixture(scope="module")
def bpe() -> Subwords:
    return Subwords.train(TEXTS, "bpe", size=400)


def test_texts_come_back_as_they_were(subwords: Subwords) -> None:
    pieces = subwords.encode([*TEXTS, *ODD])
    assert subwords.decode(pieces) == [unicodedata.normalize("NFC", text) for text in [*TEXTS, *ODD]]
    # No name in a text is taken for a special piece, and nothing is unknown.
    assert min(piece for row in pieces for piece in row) > END
    assert subwords.encode([]) == subwords.decode([]) == []
    assert subwords.encode([""]) == [[]]


def test_every_character_comes_back(subwords: Subwords) -> None:
    characters = [chr(number) for number in range(0x110000) if not 0xD800 <= number <= 0xDFFF]
    random.Random(0).shuffle(characters)
    if subwords.kind != "bpe":
        characters = characters[:50_000]  # the work is that of "bpe", but for what words are cut by
    texts = ["".join(characters[start : start + 1000]) for start in range(0, len(characters), 1000)]
    found = subwords.decode(subwords.encode(texts))
    assert found == [subwords.normalise(text) for text in texts]
    # A Python of an older or newer Unicode knows other compositions of a few new characters.
    expected = [unicodedata.normalize("NFC", text) for text in texts]
    assert sum(len(a) == len(b) for a, b in zip(found, expected)) > 0.9 * len(texts)


def test_no_piece_crosses_a_space(subwords: Subwords) -> None:
    for text in [*TEXTS, "a  b   c\n d\t\te", "und so weiter … 3 Hunde – 4,5 Parks!"]:
        for piece in subwords.encode([text])[0]:
            (name,) = subwords.pieces_of([piece])
            # The blank is `Ġ`, the tab `ĉ`, the line break `Ċ`; before a word there is one blank at most.
            inner = name.removeprefix(CONTINUES)
            assert not set(inner[1:]) & set("ĠĉĊ") or set(inner) <= set("ĠĉĊ"), name
    words = subwords.encode(["park man"])[0]
    assert words == subwords.encode(["park"])[0] + subwords.encode(["man"])[0]


def test_special_pieces_have_fixed_numbers_and_no_text(subwords: Subwords) -> None:
    assert subwords.pieces_of(range(4)) == list(SPECIAL_PIECES) == ["<pad>", "<unk>", "<s>", "</s>"]
    row = subwords.encode(["Ein Park"])[0]
    assert subwords.decode([[2, *row, 3, 0, 0], [0, 0], [1]]) == ["Ein Park", "", ""]
    # What a model puts together need not be UTF-8.
    whole = subwords.encode(["ü" * 2, "日"])[1]
    assert "\ufffd" in subwords.decode([whole[:-1]])[0]


def test_learned_pieces_are_longer_than_bytes(subwords: Subwords) -> None:
    assert 4 + 256 < len(subwords) <= 600
    assert sum(map(len, subwords.encode(TEXTS))) < 0.7 * sum(map(len, TEXTS))
    assert subwords.without_piece("aZ \n8é日") == ["é", "日"]


@pytest.mark.parametrize(
    ("normalization", "lower", "expected"),
    [
        ("nfc", False, "É ﬁ Ａ ẞ"),
        ("nfkc", False, "É fi A ẞ"),
        ("none", False, "E\u0301 ﬁ Ａ ẞ"),
        ("nfkc", True, "é fi a ß"),
        ("none", True, "e\u0301 ﬁ ａ ß"),
    ],
)
def test_normalisation_is_what_comes_back(normalization: str, lower: bool, expected: str) -> None:
    subwords = Subwords.train(TEXTS, size=300, normalization=normalization, lower=lower)
    assert subwords.decode(subwords.encode(["E\u0301 ﬁ Ａ ẞ"])) == [expected]
    assert subwords.normalise("E\u0301 ﬁ Ａ ẞ") == expected
    assert subwords.normalise(expected) == expected
    assert (subwords.encode(["MANN"]) == subwords.encode(["mann"])) == lower


def test_storage_gives_the_same_pieces(subwords: Subwords, tmp_path: Path) -> None:
    path = tmp_path / "new" / "pieces.json"
    subwords.to_disk(path)
    assert [file_.name for file_ in path.parent.iterdir()] == ["pieces.json"]
    for again in (Subwords.from_disk(path), Subwords.from_bytes(subwords.to_bytes())):
        assert again.encode([*TEXTS, *ODD]) == subwords.encode([*TEXTS, *ODD])
        assert (again.kind, len(again), again.content_hash) == (subwords.kind, len(subwords), subwords.content_hash)
    assert (
        Subwords.train(TEXTS, subwords.kind, size=540 if subwords.kind == "wordpiece" else 300).content_hash
        != subwords.content_hash
    )


@pytest.mark.parametrize("kind", ["bpe", "wordpiece"])
def test_the_same_texts_give_the_same_pieces(kind: str) -> None:
    code = f"from tests.test_subwords import *; print(Subwords.train(TEXTS, {kind!r}, 600).content_hash)"
    found = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert found == {Subwords.train(TEXTS, kind, 600).content_hash + "\n"}


def test_rare_pairs_are_not_learned() -> None:
    texts = ["Park Park Park Mann"]
    names = [
        set(json.loads(Subwords.train(texts, size=400, min_frequency=n).to_bytes())["model"]["vocab"]) for n in (1, 3)
    ]
    assert {"ĠPark", "ĠMann"} <= names[0]
    assert "ĠPark" in names[1]
    assert "ĠMann" not in names[1]


def test_dropout_is_drawn_from_the_seed_and_loses_nothing(bpe: Subwords) -> None:
    texts = [*TEXTS, *ODD]
    plain = bpe.encode(texts)
    drawn = bpe.encode(texts, dropout=0.3, seed=1)
    assert bpe.encode(texts, dropout=0.3, seed=1) == drawn
    assert bpe.encode(texts, dropout=0.3, seed=2) != drawn
    assert Subwords.from_bytes(bpe.to_bytes()).encode(texts, dropout=0.3, seed=1) == drawn
    assert bpe.decode(drawn) == bpe.decode(plain)
    counts = [sum(map(len, bpe.encode(TEXTS, dropout=p, seed=0))) for p in (0.0, 0.1, 0.5, 0.99)]
    assert counts == sorted(set(counts))
    # Nothing of the draw stays behind, and where hardly anything is dropped the pieces are those of the library.
    assert bpe.encode(texts) == plain
    assert bpe.encode(texts, dropout=1e-9) == plain


def test_dropout_has_the_distribution_of_the_paper() -> None:
    characters = ["a", "b", "c", "ab", "bc", "abc", "aa"]
    vocab = {piece: number for number, piece in enumerate(characters)}
    merges = [("a", "b"), ("b", "c"), ("ab", "c"), ("a", "a"), ("a", "bc")]
    cut = BpeDropout(vocab, merges)
    rng = random.Random(5)
    n = 20_000
    found = Counter(tuple(cut.encode(["aabc"], 0.35, rng)) for _ in range(n))
    expected = distribution(("a", "a", "b", "c"), merges, 0.35)
    assert sum(expected.values()) == pytest.approx(1)
    assert set(found) <= {tuple(vocab[piece] for piece in pieces) for pieces in expected}
    for pieces, chance in expected.items():
        count = found[tuple(vocab[piece] for piece in pieces)]
        assert count / n == pytest.approx(chance, abs=5 * (chance * (1 - chance) / n) ** 0.5 + 1e-9), pieces


def distribution(pieces: tuple[str, ...], merges: list[tuple[str, str]], dropout: float) -> Counter[tuple[str, ...]]:
    """How likely each outcome is, by going through all that may be dropped at each step."""
    places = sorted((merges.index(pair), i) for i, pair in enumerate(pairwise(pieces)) if pair in merges)
    outcomes: Counter[tuple[str, ...]] = Counter()
    for number, (_, place) in enumerate(places):
        chance = dropout**number * (1 - dropout)
        merged = (*pieces[:place], pieces[place] + pieces[place + 1], *pieces[place + 2 :])
        for outcome, share in distribution(merged, merges, dropout).items():
            outcomes[outcome] += chance * share  # type: ignore[assignment]
    outcomes[pieces] += dropout ** len(places)  # type: ignore[assignment]
    return outcomes


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"kind": "words"}, "N006"),
        ({"size": 259}, "N006"),
        ({"size": 515, "kind": "wordpiece"}, "N006"),
        ({"normalization": "nfd"}, "N006"),
        ({"min_frequency": 0}, "N006"),
        ({"texts": []}, "N240"),
        ({"texts": ["", ""]}, "N240"),
        ({"texts": ["", ""], "kind": "unigram"}, "N240"),
        ({"texts": ["good", "\ud800"]}, "N248"),
        ({"texts": ["good", 3], "kind": "unigram"}, "N248"),
    ],
)
def test_what_cannot_be_learned(settings: dict, code: str) -> None:
    with pytest.raises(NlpkitError, match=code):
        Subwords.train(**{"texts": TEXTS, **settings})


@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_vocabulary_still_writes_everything(kind: str) -> None:
    smallest = Subwords.train(TEXTS, kind, size=516 if kind == "wordpiece" else 260)
    assert len(smallest) == (516 if kind == "wordpiece" else 260)
    assert smallest.decode(smallest.encode(["für 日本 👍"])) == ["für 日本 👍"]


def test_what_cannot_be_cut_or_read(bpe: Subwords, tmp_path: Path) -> None:
    for texts, dropout, code in ((["a", "\ud800"], 0.0, "N248"), (["\ud800"], 0.1, "N248"), (["a"], 1.0, "N006")):
        with pytest.raises(NlpkitError, match=code):
            bpe.encode(texts, dropout=dropout)
    with pytest.raises(NlpkitError, match=r"N243.*'unigram'"):
        Subwords.train(TEXTS, "unigram", 300).encode(["a"], dropout=0.1)
    for number in (-100, len(bpe)):
        with pytest.raises(NlpkitError, match=rf"N242\] {number} is"):
            bpe.decode([[5], [5, number]])
        with pytest.raises(NlpkitError, match="N242"):
            bpe.pieces_of([number])
    changed = json.loads(bpe.to_bytes())
    changed["model"]["vocab"]["<s>"], changed["model"]["vocab"]["</s>"] = 3, 2
    for data in (b"{}", b"\xff", json.dumps(changed).encode()):
        with pytest.raises(NlpkitError, match="N241"):
            Subwords.from_bytes(data)
        (tmp_path / "other.json").write_bytes(data)
        with pytest.raises(NlpkitError, match=r"N241\] \S*other\.json"):
            Subwords.from_disk(tmp_path / "other.json")
    with pytest.raises(NlpkitError, match="N032"):
        Subwords.from_disk(tmp_path / "missing.json")


FORKING = """
import concurrent.futures, os, sys
from tests.test_subwords import TEXTS
from spacy_nlpkit.subwords import Subwords
subwords = Subwords.train(TEXTS, size=400)
expected = subwords.encode(TEXTS)
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    assert all(found == expected for found in pool.map(lambda _: subwords.encode(TEXTS), range(50)))
    drawn = list(pool.map(lambda n: subwords.encode(TEXTS, 0.2, n % 2), range(20)))
    assert all(found == subwords.encode(TEXTS, 0.2, n % 2) for n, found in enumerate(drawn))
child = os.fork()
if not child:
    os._exit(subwords.encode(TEXTS) != expected or subwords.decode(expected) != TEXTS)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks")
def test_threads_and_forked_processes_work_without_noise() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TOKENIZERS_PARALLELISM"}
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
