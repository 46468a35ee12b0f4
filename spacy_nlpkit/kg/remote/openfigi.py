"""OpenFIGI: stock symbols and identifiers of securities, mapped to FIGIs; no search of names.

Source: www.openfigi.com/api/documentation (version 3 of the mapping API).
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ...errors import Errors, NlpkitError
from ...symbols import resolve
from ..identifiers import identifier_kind
from .answers import MalformedError, RemoteResult, items, needed, read_results, string
from .graph import RemoteGraph
from .settings import RemoteConnection
from .transport import Request

OPENFIGI_ENDPOINT = "https://api.openfigi.com/v3/mapping"
_PAGE = "https://www.openfigi.com/id/"
# The service's names of the kinds of `identifier_kind`; it has none for LEIs, which are no securities.
_ID_TYPES = {"figi": "ID_BB_GLOBAL", "isin": "ID_ISIN", "cusip": "ID_CUSIP", "sedol": "ID_SEDOL"}
_SYMBOL = re.compile(r"[0-9A-Z]{1,7}")
# The FIGI of a result: of the share class, of its listings in one country, of one listing; the first that is there.
_LEVELS = {
    "share_class": ("shareClassFIGI", "compositeFIGI", "figi"),
    "composite": ("compositeFIGI", "figi"),
    "listing": ("figi",),
}


class OpenFigi(RemoteGraph):
    """Maps symbols and identifiers; see `create_open_figi`."""

    service = "OpenFIGI"

    def __init__(
        self,
        endpoint: str,
        key_variable: str | None,
        connection: RemoteConnection | None,
        exchange: str = "US",
        level: str = "share_class",
        jobs: int | None = None,
    ) -> None:
        super().__init__(endpoint, key_variable, connection)
        self.key_header = ("X-OPENFIGI-APIKEY", "")
        if not re.fullmatch(r"[0-9A-Z]{0,2}", exchange):
            raise NlpkitError(Errors.N180.format(setting="exchange", value=exchange, expected="a code such as US"))
        if jobs is not None and not 1 <= jobs <= 100:
            raise NlpkitError(Errors.N180.format(setting="jobs", value=jobs, expected="a number from 1 to 100"))
        self._exchange = exchange
        self._level = level
        # As documented: 25 requests in a minute without a key, 25 in six seconds and 100 jobs in each with one. Sources
        # differ on jobs without a key (5 or 10). Size of the bucket and rate together are what one minute may see.
        self.batch_size = jobs or (5 if key_variable is None else 100)
        self.default_rate, self.default_burst = (20.0, 5) if key_variable is None else (200.0, 5)

    @property
    def variant(self) -> str:
        """The level of the FIGIs."""
        return self._level

    def takes(self, text: str) -> bool:
        """Whether a text is a symbol in any notation, or an ISIN, CUSIP, SEDOL or FIGI with its right check digit."""
        return self._job(text) is not None

    def _job(self, text: str) -> dict[str, str] | None:
        if id_type := _ID_TYPES.get(identifier_kind(text)):
            return {"idType": id_type, "idValue": text.upper()}
        ticker = resolve(text)
        if not _SYMBOL.fullmatch(ticker["root"]):
            return None
        # Classes are written as Bloomberg does: BRK/B.
        symbol = "/".join(filter(None, (ticker["root"], ticker["share_class"])))
        venue = {"micCode": ticker["mic"]} if ticker["mic"] else {"exchCode": self._exchange} if self._exchange else {}
        return {"idType": "TICKER", "idValue": symbol, **venue}

    def request(self, texts: Sequence[str], k: int) -> Request:
        """One job for each text."""
        return Request(body=json.dumps([self._job(text) for text in texts]))

    def parse(self, answer: Any, texts: Sequence[str], k: int, dropped: list[str]) -> list[list[RemoteResult] | None]:
        """The result at each place is that of the job there."""
        if not isinstance(answer, list) or len(answer) != len(texts):
            raise MalformedError("there is not one result for each job")
        return [self._parse_job(result, self._job(text), k, dropped) for result, text in zip(answer, texts)]

    def _parse_job(
        self, result: Any, job: dict[str, str] | None, k: int, dropped: list[str]
    ) -> list[RemoteResult] | None:
        asked = job["idValue"] if job else ""
        if not isinstance(result, dict) or not isinstance(result.get("data", []), list):
            dropped.append("the result of a job")
            return None
        if "data" in result:
            return read_results(items(result, "data"), lambda each: self._read(each, asked), k, dropped)
        # "No identifier found." is a warning; an error says that the job itself was wrong, or failed.
        return [] if "warning" in result else None

    def _read(self, record: Mapping[str, Any], asked: str) -> RemoteResult:
        figis = [string(record, field) for field in _LEVELS[self._level]]
        identifier = next(filter(None, [*figis, needed(record, "figi")]))
        kinds = (string(record, field) for field in ("securityType", "securityType2", "marketSector"))
        places = [string(record, "ticker"), string(record, "exchCode"), string(record, "securityDescription")]
        return RemoteResult(
            id=identifier,
            label=string(record, "name") or identifier,
            description=" ".join(dict.fromkeys(filter(None, places))),
            types=tuple(dict.fromkeys(filter(None, kinds))),
            url=f"{_PAGE}{identifier}" if re.fullmatch(r"[0-9A-Z]{12}", identifier) else "",
            alias=asked,
        )


def create_open_figi(
    exchange: str = "US",
    level: Literal["share_class", "composite", "listing"] = "share_class",
    jobs: int | None = None,
    endpoint: str = OPENFIGI_ENDPOINT,
    key_variable: str | None = None,
    connection: RemoteConnection | None = None,
) -> RemoteGraph:
    """`spacy_nlpkit.OpenFigi.v1`: stock symbols, ISINs, CUSIPs, SEDOLs and FIGIs, mapped to FIGIs.

    exchange (str): Bloomberg's code of the exchange for symbols without a venue; empty for all exchanges. A venue that
        is written (`DELL.O`) is sent as its ISO 10383 code in its place.
    level (str): Whether an id stands for the `share_class` in all countries, the `composite` of one country, or one
        `listing`.
    jobs (int): Texts in one request; None for 5 without a key and 100 with one.
    endpoint (str): Address of the mapping API.
    key_variable (str): Name of the environment variable with the API key (`OPENFIGI_API_KEY`); None for none.
    connection: `spacy_nlpkit.RemoteConnection.v1`; None for its defaults.
    RAISES: N180 for a wrong exchange or number of jobs, N181 for a refused endpoint.
    """
    return OpenFigi(endpoint, key_variable, connection, exchange, level, jobs)
