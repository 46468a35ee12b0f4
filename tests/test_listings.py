"""Listing tables: what is read, what matches, what is kept."""

import gzip
import json

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc

from spacy_nlpkit import attributes
from spacy_nlpkit.errors import NlpkitError
from spacy_nlpkit.listings import ListingTable

TABLE = """name,symbol,label,from,to
Apple Inc.,AAPL,,,
Bank of New York,BK,,,
New York,,GPE,,
"Mellon, Andrew",,PERSON,,
Sun Microsystems Inc.,SUNW,,,2007-08-26
Sun Microsystems Inc.,JAVA,,2007-08-27,2010
Java,,GPE,,
"""


@pytest.fixture(scope="module")
def nlp():
    return spacy.blank("en")


@pytest.fixture
def load(nlp, tmp_path):
    def write_and_read(text, name="table.csv", **settings):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf8"))
        return ListingTable.from_file(path, nlp.tokenizer, cache=None, **settings)

    return write_and_read


def found(table, *docs):
    """Label, text and form of every entry that the features mark, read back from the columns."""
    features = table.features(docs)
    assert features.shape == (sum(len(doc) for doc in docs), table.width)
    tokens = [token.text for doc in docs for token in doc]
    spans = []
    for number, label in enumerate(table.labels):
        begin, inside, last, unit = features[:, 4 * number : 4 * number + 4].T
        assert ((begin + inside + last + unit) <= 1).all()
        for start in np.flatnonzero(begin + unit):
            end = start
            while not unit[end] and not last[end]:
                end += 1
                assert inside[end] or last[end]
            spans.append((label, " ".join(tokens[start : end + 1])))
    return spans


def test_labels_and_width(load):
    table = load(TABLE)
    assert table.labels == ("GPE", "ORG", "PERSON", "TICKER")
    assert table.width == 16
    assert table.features([]).shape == (0, 16)


def test_longest_entry_from_the_left_counts_for_each_label(load, nlp):
    doc = nlp.make_doc("He left the Bank of New York for apple Inc. in New York.")
    assert found(load(TABLE), doc) == [
        ("GPE", "New York"),
        ("GPE", "New York"),
        ("ORG", "Bank of New York"),
        ("ORG", "apple Inc."),
    ]


def test_symbols_match_as_written_and_names_in_any_case(load, nlp):
    assert found(load(TABLE), nlp.make_doc("aapl Aapl AAPL apple inc")) == [("ORG", "apple"), ("TICKER", "AAPL")]
    every_case = load(TABLE, case_sensitive=[])
    assert found(every_case, nlp.make_doc("aapl")) == [("TICKER", "aapl")]
    as_written = load(TABLE, case_sensitive=["ORG"])
    assert found(as_written, nlp.make_doc("apple Apple Inc. APPLE")) == [("ORG", "Apple Inc.")]


def test_name_without_its_legal_form(load, nlp):
    doc = nlp.make_doc("Apple rose")
    assert found(load(TABLE), doc) == [("ORG", "Apple")]
    assert found(load(TABLE, short_names=False), doc) == []


def test_no_entry_crosses_documents(load, nlp):
    table = load(TABLE)
    docs = [nlp.make_doc(text) for text in ("the Bank of New", "York", "", "New York")]
    assert found(table, *docs) == [("GPE", "New York")]


def test_a_batch_says_what_single_documents_say(load, nlp):
    table = load(TABLE)
    docs = [nlp.make_doc(text) for text in ("Apple of New York", "", "AAPL", "Bank of New York and Java")]
    single = np.concatenate([table.features([doc]) for doc in docs])
    assert single.any()
    np.testing.assert_array_equal(table.features(docs), single)


@pytest.mark.parametrize(
    ("date", "symbols"),
    [
        (None, ["SUNW", "JAVA"]),
        ("2004-11-02", ["SUNW"]),
        ("2007-08-26", ["SUNW"]),
        ("2007-08-27", ["JAVA"]),
        ("2007-08", ["SUNW", "JAVA"]),
        ("2010", ["JAVA"]),
        ("2011", []),
    ],
)
def test_dated_rows_count_on_their_days(load, nlp, date, symbols):
    attributes.register_item_attributes()
    doc = nlp.make_doc("SUNW or JAVA")
    doc._.date = date
    undated = nlp.make_doc("SUNW or JAVA")
    table = load(TABLE)
    assert [text for label, text in found(table, doc) if label == "TICKER"] == symbols
    both = [text for label, text in found(table, undated, doc) if label == "TICKER"]
    assert both == ["SUNW", "JAVA", *symbols]


def test_date_that_is_none(load, nlp):
    attributes.register_item_attributes()
    doc = nlp.make_doc("Some text of May")
    doc._.date = "2 May 2004"
    with pytest.raises(NlpkitError, match=r"N058.*Some text.*'2 May 2004'"):
        load(TABLE).features([doc])


def test_stop_list_and_least_length(load, nlp):
    text = "name\nTarget\nVisa\nUp\nX\n"
    doc = nlp.make_doc("X target up Visa")
    assert found(load(text), doc) == [("ORG", "target"), ("ORG", "up"), ("ORG", "Visa")]
    assert found(load(text, stop=["TARGET"], min_length=3), doc) == [("ORG", "Visa")]


def test_one_letter_symbols_are_kept(load, nlp):
    assert found(load("symbol\nF\n"), nlp.make_doc("F up")) == [("TICKER", "F")]


def test_foreign_column_names(load, nlp):
    columns = {"name": "title", "symbol": "ticker", "from": "start"}
    table = load("ticker\ttitle\tstart\nWMT\tWalmart  Inc\t1970\n", "table.tsv", columns=columns)
    assert found(table, nlp.make_doc("Walmart WMT")) == [("ORG", "Walmart"), ("TICKER", "WMT")]
    with pytest.raises(NlpkitError, match=r"N057.*titel"):
        load(TABLE, columns={"titel": "title"})


def test_every_format_gives_the_same_table(load):
    rows = [["name", "symbol"], ["Apple", "AAPL"], ["Ford", "F"]]
    items = [dict(zip(rows[0], row)) for row in rows[1:]]
    jsonl = "".join(f"{json.dumps(item)}\n\n" for item in items)
    comma, tab = "".join(f"{','.join(row)}\r\n" for row in rows), "".join("\t".join(row) + "\n" for row in rows)
    tables = [
        load(comma),
        load(b"\xef\xbb\xbf" + comma.encode()),
        load(tab, "table.tsv"),
        load(jsonl, "table.jsonl"),
        load(gzip.compress(jsonl.encode()), "table.jsonl.gz"),
    ]
    assert {table.content_hash for table in tables} == {tables[0].content_hash}
    assert load("name\nApple\n").content_hash != tables[0].content_hash


def test_too_long_entries_are_counted(load, nlp):
    with pytest.warns(UserWarning, match=r"NW050.*table\.csv: left out 1 entries.*'one two three'"):
        table = load("name\none two three\none two\n", max_tokens=2)
    assert found(table, nlp.make_doc("one two three")) == [("ORG", "one two")]


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("title,ticker\nApple,AAPL\n", "table.csv", r"N053.*table\.csv, line 1.*'name' or 'symbol'.*title, ticker"),
        ("", "table.csv", r"N053.*line 1.*none"),
        ('{"name": "A B"}\n{"title": "C"}\n', "table.jsonl", r"N053.*table\.jsonl, line 2.*title"),
        ("name,label\nApple,ORG\nFord\n", "table.csv", r"N054.*table\.csv, line 3.*1 fields where the header has 2"),
        ("name,symbol\nApple,A\n,\n", "table.csv", r"N054.*line 3.*neither 'name' nor 'symbol'"),
        ("name,from\nApple,2001\nFord,May 2001\n", "table.csv", r"N054.*line 3.*'May 2001' is no ISO date"),
        ("name,to\nApple,2001-13\n", "table.csv", r"N054.*line 2.*2001-13"),
        ('name\n"Apple"x\n', "table.csv", r"N054.*line 2"),
        ('{"name": "A B"}\n{"name": \n', "table.jsonl", r"N054.*line 2.*broken JSON"),
        ('["Apple"]\n', "table.jsonl", r"N054.*line 1.*not a JSON object"),
        ('{"name": ["Apple"]}\n', "table.jsonl", r"N054.*line 1.*not a JSON object"),
        (b"name\nCaf\xe9\n", "table.csv", r"N052.*table\.csv.*utf-8"),
        (b"no gzip", "table.csv.gz", r"N052.*table\.csv\.gz"),
        ("name\nApple\n", "table.xlsx", r"N052.*\.csv, \.tsv, \.jsonl"),
        ("name,label\n", "table.csv", r"N055.*table\.csv"),
        ("\n\n", "table.jsonl", r"N055.*table\.jsonl"),
        ("name\nX\n", "table.csv", r"N055.*min_length \(2\)"),
        ("name,label\n" + "".join(f"Acme,L{i}\n" for i in range(300)), "table.csv", r"N056.*300 labels"),
    ],
)
def test_bad_tables(load, text, name, message):
    with pytest.raises(NlpkitError, match=message):
        load(text, name)


def test_missing_file(nlp, tmp_path):
    with pytest.raises(NlpkitError, match=r"N052.*none\.csv.*no such file"):
        ListingTable.from_file(tmp_path / "none.csv", nlp.tokenizer, cache=None)


def test_saved_and_loaded(load, nlp, tmp_path):
    table = load(TABLE)
    table.to_disk(tmp_path / "saved")
    doc = nlp.make_doc("Bank of New York, AAPL and SUNW")
    for again in (ListingTable.from_bytes(table.to_bytes()), ListingTable.from_disk(tmp_path / "saved")):
        assert again.labels == table.labels
        assert len(again) == len(table)
        assert again.content_hash == table.content_hash
        np.testing.assert_array_equal(again.features([doc]), table.features([doc]))
    assert found(table, doc)


@pytest.mark.parametrize("data", [b"", b"\x81\xa6format\x63", b"\x05", b"nonsense"])
def test_bytes_of_another_format(data):
    with pytest.raises(NlpkitError, match="N059"):
        ListingTable.from_bytes(data)


def test_hashes_need_no_common_vocabulary(load):
    other = spacy.blank("xx")
    assert found(load(TABLE), other.make_doc("Apple in New York")) == [("GPE", "New York"), ("ORG", "Apple")]


def test_names_stay_out_of_the_vocabulary(load, nlp):
    before = len(nlp.vocab.strings)
    load("name\n" + "".join(f"Unheard{number} of\n" for number in range(50)))
    assert len(nlp.vocab.strings) == before


def test_tokenizer_of_another_kind(tmp_path):
    nlp = spacy.blank("zh")
    path = tmp_path / "table.csv"
    path.write_text("name\n苹果公司\n", encoding="utf8")
    table = ListingTable.from_file(path, nlp.tokenizer, cache=None)
    assert found(table, nlp.make_doc("他在苹果公司工作")) == [("ORG", "苹 果 公 司")]


def test_tokens_from_elsewhere(load, nlp):
    doc = Doc(nlp.vocab, words=["Bank", "of", "New", "York"])
    assert ("ORG", "Bank of New York") in found(load(TABLE), doc)


def kept_files(folder):
    return sorted(folder.glob("*.npz"))


def test_built_table_is_kept(nlp, tmp_path):
    path, cache = tmp_path / "table.csv", tmp_path / "cache"
    path.write_text(TABLE, encoding="utf8")
    first = ListingTable.from_file(path, nlp.tokenizer, cache=cache)
    (kept,) = kept_files(cache)
    stamp = kept.stat().st_mtime_ns
    assert ListingTable.from_file(path, nlp.tokenizer, cache=cache).content_hash == first.content_hash
    assert [file_.stat().st_mtime_ns for file_ in kept_files(cache)] == [stamp]
    # Other content, other settings and another tokenizer are other tables.
    path.write_text(TABLE + "Ford,F,,,\n", encoding="utf8")
    assert len(ListingTable.from_file(path, nlp.tokenizer, cache=cache)) == len(first) + 2
    ListingTable.from_file(path, nlp.tokenizer, cache=cache, short_names=False)
    ListingTable.from_file(path, spacy.blank("de").tokenizer, cache=cache)
    assert len(kept_files(cache)) == 4


def test_damaged_kept_table_is_built_again(nlp, tmp_path):
    path, cache = tmp_path / "table.csv", tmp_path / "cache"
    path.write_text(TABLE, encoding="utf8")
    first = ListingTable.from_file(path, nlp.tokenizer, cache=cache)
    for damage in (b"", b"PK\x03\x04 damaged", kept_files(cache)[0].read_bytes()[:200]):
        kept_files(cache)[0].write_bytes(damage)
        assert ListingTable.from_file(path, nlp.tokenizer, cache=cache).content_hash == first.content_hash


def test_cache_folder_that_cannot_be_written(nlp, tmp_path):
    path, blocked = tmp_path / "table.csv", tmp_path / "file"
    path.write_text(TABLE, encoding="utf8")
    blocked.write_text("a file where the folder should be", encoding="utf8")
    with pytest.warns(UserWarning, match=r"NW051.*Cannot keep"):
        assert len(ListingTable.from_file(path, nlp.tokenizer, cache=blocked / "cache"))


def test_default_cache_folder_is_the_users(nlp, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    path = tmp_path / "table.csv"
    path.write_text(TABLE, encoding="utf8")
    ListingTable.from_file(path, nlp.tokenizer)
    assert len(kept_files(tmp_path / "home" / "spacy_nlpkit" / "listings")) == 1


def test_registered_loader(nlp, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    path = tmp_path / "table.csv"
    path.write_text("title,ticker\nFord Motor Co,F\n", encoding="utf8")
    block = {
        "@misc": "spacy_nlpkit.listings.v1",
        "path": str(path),
        "symbol_label": "SYMBOL",
        "columns": {"name": "title", "symbol": "ticker"},
    }
    load = spacy.registry.resolve({"listings": block})["listings"]
    table = load(nlp)
    assert found(table, nlp.make_doc("Ford Motor F f")) == [("ORG", "Ford Motor"), ("SYMBOL", "F")]
