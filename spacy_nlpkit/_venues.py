"""Where a stock symbol trades, as news text writes it, and the market identifier code of ISO 10383 (MIC).

Three vocabularies name the same places: the suffix of a Reuters instrument code (`VOD.L`), the exchange code
of
Bloomberg (`VOD LN`), and the name in prose or a bracket (`LSE: VOD`). None stands where no single code fits.
"""

from __future__ import annotations

RIC_VENUES: dict[str, str | None] = {
    "O": "XNAS", "OQ": "XNAS", "N": "XNYS", "A": "XASE", "P": "ARCX", "K": None,
    "OB": "XOTC", "PK": "PINX", "L": "XLON", "T": "XTKS", "OS": "XOSE",
    "PA": "XPAR", "DE": "XETR", "F": "XFRA", "SG": "XSTU", "MU": "XMUN",
    "BE": "XBER", "HA": "XHAN", "H": "XHAM", "TO": "XTSE", "V": "XTSX",
    "HK": "XHKG", "AX": "XASX", "AU": "XASX", "NZ": "XNZE", "SI": "XSES",
    "KS": "XKRX", "KQ": "XKOS", "TW": "XTAI", "TWO": "ROCO", "SS": "XSHG",
    "SZ": "XSHE", "BO": "XBOM", "NS": "XNSE", "JK": "XIDX", "KL": "XKLS",
    "BK": "XBKK", "PS": "XPHS", "HM": "XSTC", "KA": "XKAR", "MI": "XMIL",
    "AS": "XAMS", "BR": "XBRU", "LS": "XLIS", "LU": "XLUX", "I": "XDUB",
    "MC": "XMAD", "S": "XSWX", "VX": "XVTX", "VI": "XWBO", "ST": "XSTO",
    "HE": "XHEL", "CO": "XCSE", "OL": "XOSL", "IC": "XICE", "WA": "XWAR",
    "PR": "XPRA", "BU": "XBUD", "BX": "XBSE", "AT": "XATH", "IS": "XIST",
    "TA": "XTAE", "MM": "MISX", "ME": "MISX", "J": "XJSE", "JO": "XJSE",
    "CA": "XCAI", "SE": "XSAU", "AD": "XADS", "DU": "XDFM", "QA": "DSMD",
    "KW": "XKUW", "BA": "XBUE", "SA": "BVMF", "SN": "XSGO", "MX": "XMEX",
    "LM": "XLIM", "CN": "XBOG", "RG": "XRIS", "TL": "XTAL", "VL": "XLIT",
}  # fmt: skip

BLOOMBERG_VENUES: dict[str, str | None] = {
    "US": None, "UN": "XNYS", "UQ": "XNAS", "UW": "XNAS", "UR": "XNAS", "UA": "XASE", "UP": "ARCX",
    "LN": "XLON", "GY": "XETR", "GR": "XETR", "GF": "XFRA", "FP": "XPAR", "IM": "XMIL", "SM": "XMAD",
    "NA": "XAMS", "BB": "XBRU", "PL": "XLIS", "SW": "XSWX", "VX": "XVTX", "AV": "XWBO", "SS": "XSTO",
    "FH": "XHEL", "DC": "XCSE", "NO": "XOSL", "ID": "XDUB", "JP": "XTKS", "JT": "XTKS", "HK": "XHKG",
    "AU": "XASX", "NZ": "XNZE", "SP": "XSES", "KS": "XKRX", "KQ": "XKOS", "TT": "XTAI", "CG": "XSHG",
    "CH": None, "CS": "XSHE", "IB": "XBOM", "IS": "XNSE", "IN": None, "CN": "XTSE", "CT": "XTSE",
    "CV": "XTSX", "BZ": "BVMF", "BS": "BVMF", "MM": "XMEX", "SJ": "XJSE", "RM": "MISX", "TI": "XIST",
    "IT": "XTAE", "PW": "XWAR", "GA": "XATH", "IJ": "XIDX", "MK": "XKLS", "TB": "XBKK", "PM": "XPHS",
}  # fmt: skip

EXCHANGES: dict[str, str | None] = {
    "NYSE": "XNYS", "New York Stock Exchange": "XNYS", "NYSE Euronext": "XNYS", "NYSE Arca": "ARCX",
    "NYSE American": "XASE", "NYSE MKT": "XASE", "NYSEAMERICAN": "XASE", "NYSEMKT": "XASE",
    "NYSEARCA": "ARCX",
    "AMEX": "XASE", "ARCA": "ARCX", "BATS": "BATS", "CBOE": "XCBO",
    "Nasdaq": "XNAS", "NasdaqGS": "XNAS", "NasdaqGM": "XNAS", "NasdaqCM": "XNAS", "NasdaqNM": "XNAS",
    "Nasdaq NM": "XNAS", "Nasdaq National Market": "XNAS", "Nasdaq Global Select": "XNAS",
    "Nasdaq SmallCap": "XNAS", "Nasdaq Capital Market": "XNAS",
    "OTC": "XOTC", "OTCBB": "XOTC", "OTC BB": "XOTC", "OTCQB": "OTCB", "OTCQX": "OTCQ", "OTC Pink": "PINX",
    "OTCPK": "PINX", "OTCMKTS": "OTCM", "Pink Sheets": "PINX",
    "TSX": "XTSE", "TSX-V": "XTSX", "TSXV": "XTSX", "TSX Venture": "XTSX", "CVE": "XTSX", "TSE": None,
    "CSE": "XCNQ", "Toronto": "XTSE", "LSE": "XLON", "LON": "XLON", "London": "XLON", "AIM": "AIMX",
    "Xetra": "XETR", "ETR": "XETR", "FRA": "XFRA", "FWB": "XFRA", "FSE": "XFRA", "Frankfurt": "XFRA",
    "Euronext": None, "Euronext Paris": "XPAR", "Euronext Amsterdam": "XAMS", "Euronext Brussels": "XBRU",
    "EPA": "XPAR", "Paris": "XPAR", "AMS": "XAMS", "EBR": "XBRU", "ELI": "XLIS", "BIT": "XMIL",
    "Milan": "XMIL",
    "BME": "XMAD", "Madrid": "XMAD", "SIX": "XSWX", "SWX": "XSWX", "VTX": "XVTX", "VIE": "XWBO",
    "STO": "XSTO", "OMX": None, "HEL": "XHEL", "CPH": "XCSE", "OSE": "XOSL", "WSE": "XWAR", "GPW": "XWAR",
    "MOEX": "MISX", "BIST": "XIST", "TASE": "XTAE", "TLV": "XTAE", "JSE": "XJSE", "Tadawul": "XSAU",
    "TYO": "XTKS", "Tokyo": "XTKS", "HKEX": "XHKG", "HKSE": "XHKG", "SEHK": "XHKG", "HKG": "XHKG",
    "Hong Kong": "XHKG", "SSE": "XSHG", "SHA": "XSHG", "Shanghai": "XSHG", "SZSE": "XSHE", "SHE": "XSHE",
    "TWSE": "XTAI", "TPE": "XTAI", "KRX": "XKRX", "KOSDAQ": "XKOS", "SGX": "XSES", "ASX": "XASX",
    "NZX": "XNZE",
    "NSE": "XNSE", "BSE": "XBOM", "BOM": "XBOM", "IDX": "XIDX", "KLSE": "XKLS", "BMV": "XMEX", "BVMF": "BVMF",
    "Bovespa": "BVMF", "B3": "BVMF",
}  # fmt: skip

# The fifth letter of a Nasdaq symbol where Nasdaq documents one sense of it (C, D, J, L, X, Z are
# miscellaneous or not in use; A and B are share classes).
NASDAQ_FIFTH_LETTERS = frozenset("EFGHIKMNOPQRSTUVWY")

# Cities stand for their exchange in a bracket; before a colon in plain text they are datelines.
CITIES = frozenset({"Toronto", "London", "Frankfurt", "Paris", "Milan", "Madrid", "Tokyo", "Shanghai", "Hong Kong"})

# A word in the exchange's place that names no exchange: `(ticker: BEAM)`.
CUES = ("ticker", "ticker symbol", "symbol", "stock symbol")


def variants(name: str) -> set[str]:
    """Spellings of an exchange: as given, in capitals, and from four letters on in lower case."""
    return {name, name.upper()} | ({name.lower(), name.capitalize()} if len(name) > 3 else set())


# Names that are an exchange without a bracket too: `NYSE: AWE`. Short ones such as SIX or FRA have other
# senses.
PLAIN_EXCHANGES = frozenset(
    form
    for name in EXCHANGES
    if name not in CITIES and (len(name) > 3 or name in ("TSX", "LSE", "ASX", "JSE"))
    for form in variants(name)
)

EXCHANGE_MICS: dict[str, str | None] = {form: mic for name, mic in EXCHANGES.items() for form in variants(name)}
