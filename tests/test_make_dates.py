"""scripts/make_dates.py: what it writes is right, the same each time, and new in dev and test."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import pytest
import srsly

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "make_dates.py"
NAMES = ("train", "dev", "test")
Lines = list[dict[str, str]]
# Ways of writing that the standard library reads too.
READABLE = (
    *("%B %d, %Y", "%d %B %Y", "%A, %B %d, %Y", "%A %d %B %Y", "%d-%b-%Y", "%d %b '%y", "%d.%m.%Y", "%Y/%m/%d"),
    *("%B %Y", "%b '%y", "%m/%Y", "early %B %Y", "mid-%B %Y", "the end of %B %Y"),
)


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def make(folder: Path, *options: str) -> dict[str, bytes]:
    done = run(folder, *options)
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Lines]:
    folder = tmp_path_factory.mktemp("dates") / "new" / "folder"
    files = make(folder, "--train", "4000", "--dev", "200", "--test", "400")
    assert set(files) == {f"{name}.jsonl" for name in NAMES}
    return {name: list(srsly.read_jsonl(folder / f"{name}.jsonl")) for name in NAMES}


@pytest.fixture(scope="module")
def lines(made: dict[str, Lines]) -> Lines:
    return [line for part in made.values() for line in part]


def test_files_have_the_lines_asked_for_and_no_text_twice(made: dict[str, Lines], lines: Lines) -> None:
    assert {name: len(part) for name, part in made.items()} == {"train": 4000, "dev": 200, "test": 400}
    assert all(set(line) == {"text", "target"} for line in lines)
    assert len({line["text"] for line in lines}) == len(lines)


def test_every_target_is_a_day_a_month_or_a_quarter(made: dict[str, Lines]) -> None:
    for part in made.values():
        kinds = {"day": 0, "month": 0, "quarter": 0}
        for line in part:
            target = line["target"]
            if re.fullmatch(r"\d{4}-Q[1-4]", target):
                kinds["quarter"] += 1
            elif re.fullmatch(r"\d{4}-\d\d", target):
                assert 1 <= int(target[5:]) <= 12
                kinds["month"] += 1
            else:
                assert date.fromisoformat(target).isoformat() == target
                kinds["day"] += 1
            assert 1970 <= int(target[:4]) <= 2029
        assert kinds["day"] > kinds["month"] > kinds["quarter"] > 0


def test_dev_and_test_hold_targets_that_train_has_not(made: dict[str, Lines]) -> None:
    targets = {name: {line["target"] for line in part} for name, part in made.items()}
    assert not targets["train"] & targets["dev"]
    assert not targets["train"] & targets["test"]
    assert not targets["dev"] & targets["test"]


@pytest.mark.parametrize("form", READABLE)
def test_targets_are_what_the_standard_library_reads(form: str, lines: Lines) -> None:
    count = 0
    for line in lines:
        try:
            read = datetime.strptime(line["text"], form)
        except ValueError:
            continue
        assert read.strftime("%Y-%m-%d" if "%d" in form else "%Y-%m") == line["target"], line
        count += 1
    assert count


def test_ordinals_and_quarters_say_their_number(lines: Lines) -> None:
    words = {"first": 1, "second": 2, "third": 3, "fourth": 4, "twelfth": 12, "twenty-first": 21, "thirtieth": 30}
    seen = set()
    for line in lines:
        text, target = line["text"], line["target"]
        if found := re.search(r"\b(\d+)(st|nd|rd|th)\b", text):
            number = int(found[1])
            right = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}.get(number, "th")
            assert (int(target[-2:]), found[2]) == (number, right)
            seen.add("digits")
        elif (found := re.search(r"\b([a-z]+(?:-[a-z]+)?) of \w+ \d{4}$", text)) and found[1] in words:
            assert int(target[-2:]) == words[found[1]]
            seen.add("words")
        elif found := re.search(r"Q([1-4])|([1-4])Q|(\w+)[ -]quarter", text):
            assert int(target[-1]) == int(found[1] or found[2] or words[found[3]])
            seen.add("quarter")
        elif found := re.fullmatch(r"the three months to (\w+ \d{4})", text):
            last = datetime.strptime(found[1], "%B %Y")
            assert target == f"{last.year}-Q{last.month // 3}"
            seen.add("months")
    assert seen == {"digits", "words", "quarter", "months"}


def test_slashes_have_one_reading(lines: Lines) -> None:
    slashed = [line for line in lines if re.fullmatch(r"\d{1,2}/\d{1,2}/(\d\d){1,2}", line["text"])]
    assert slashed
    for line in slashed:
        readings = set()
        for order in ("%m/%d", "%d/%m"):
            try:
                form = f"{order}/{'%Y' if len(line['text'].split('/')[2]) == 4 else '%y'}"
                readings.add(datetime.strptime(line["text"], form).date().isoformat())
            except ValueError:
                continue
        assert readings == {line["target"]}


def test_the_seed_decides(tmp_path: Path) -> None:
    options = ("--train", "300", "--dev", "20", "--test", "40", "--seed")
    first = make(tmp_path / "first", *options, "7")
    assert make(tmp_path / "again", *options, "7") == first
    assert make(tmp_path / "other", *options, "8")["train.jsonl"] != first["train.jsonl"]


def test_the_largest_sets_can_be_made_and_no_larger(tmp_path: Path) -> None:
    most = make(tmp_path / "most", "--train", "15000", "--dev", "1900", "--test", "1900")
    assert {name: data.count(b"\n") for name, data in most.items()} == {
        "train.jsonl": 15000,
        "dev.jsonl": 1900,
        "test.jsonl": 1900,
    }
    done = run(tmp_path / "more", "--train", "15001")
    assert done.returncode == 2
    assert "15000" in done.stderr
    assert not (tmp_path / "more").exists()
