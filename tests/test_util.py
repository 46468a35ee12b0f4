"""Whole-file writes and floats."""

from pathlib import Path

import numpy
import pytest

from spacy_nlpkit.util import atomic_write, replace_folder, to_float


def test_file_appears_whole_in_a_new_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.txt"
    with atomic_write(path) as file_:
        file_.write("a\n")
        assert not path.exists()
        file_.write("é\r\n")
    assert path.read_bytes() == "a\né\r\n".encode()
    assert [item.name for item in path.parent.iterdir()] == ["out.txt"]


def test_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "out.bin", "wb") as file_:
        file_.write(b"\x00\r\n")
    assert (tmp_path / "out.bin").read_bytes() == b"\x00\r\n"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "out.txt"
    path.write_text("before", encoding="utf8")

    def write_half() -> None:
        with atomic_write(path) as file_:
            file_.write("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text(encoding="utf8") == "before"
    assert [item.name for item in tmp_path.iterdir()] == ["out.txt"]


@pytest.mark.parametrize("value", [0.5, numpy.float32(0.5), numpy.array(0.5), numpy.array([0.5])])
def test_floats_are_python_floats(value: object) -> None:
    assert type(to_float(value)) is float
    assert to_float(value) == 0.5


def test_whole_numbers_become_floats() -> None:
    assert type(to_float(1)) is float


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    with replace_folder(folder) as aside:
        (aside / "a").write_text("first")
        assert not folder.exists()
    with replace_folder(folder) as aside:
        (aside / "b").write_text("second")
        assert (folder / "a").exists()
    assert [file.name for file in folder.iterdir()] == ["b"]

    def interrupted() -> None:
        with replace_folder(folder) as aside:
            (aside / "c").write_text("third")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [file.name for file in folder.iterdir()] == ["b"]
    assert [file.name for file in folder.parent.iterdir()] == ["folder"]
