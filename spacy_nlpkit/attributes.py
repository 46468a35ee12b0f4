"""The one way to set an extension attribute: idempotent, and never over another package's."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from spacy.tokens import Doc, Span, Token

from .errors import Errors, NlpkitError, Warnings
from .ty import Link

_OWNERS: dict[str, Any] = {"Doc": Doc, "Span": Span, "Token": Token}
_REGISTERED: dict[tuple[str, str], tuple[Any, ...]] = {}

# What readers set on every document they make, and every room may rely on.
DOC_DATE = "date"
DOC_ITEM_ID = "item_id"
DOC_CATEGORY = "category"
# The text, or texts, that is right for a document, or for a span of it: of references, never on what is predicted from.
TARGET = "target"


def register(owner: str, name: str, **definition: Any) -> None:
    """Register an extension attribute once.

    owner (str): "Doc", "Span" or "Token".
    name (str): The attribute, read as `owner._.name`.
    **definition: As in `set_extension` (`default`, or `getter` and `setter`); without any, the default is None.
    RAISES: N003 where other code has registered the name with another definition.
    """
    cls = _OWNERS[owner]
    definition = definition or {"default": None}
    if cls.has_extension(name):
        # A spawned worker gets the extensions of its parent: the same definition there is ours as well.
        wanted = tuple(definition.get(key) for key in ("default", "method", "getter", "setter"))
        if _REGISTERED.get((owner, name)) != cls.get_extension(name) and cls.get_extension(name) != wanted:
            raise NlpkitError(Errors.N003.format(owner=owner, attr=name))
        return
    cls.set_extension(name, **definition)
    _REGISTERED[(owner, name)] = cls.get_extension(name)


def register_item_attributes() -> None:
    """Register what an annotated item carries: `doc._.date`, `doc._.item_id` and `doc._.category`."""
    for name in (DOC_DATE, DOC_ITEM_ID, DOC_CATEGORY):
        register("Doc", name)


def register_target() -> None:
    """Register `doc._.target` and `span._.target`: what is to be written for it."""
    for owner in ("Doc", "Span"):
        register(owner, TARGET)


# The confidence of a span lives in `doc.user_data` where spaCy keeps what is set on a span, so that it goes wherever
# the document goes: DocBin, JSON, other processes, and the parts and joins of documents.
_CONFIDENCE = "confidence"
_UNCALIBRATED = "nlpkit_uncalibrated"
_warned: set[str] = set()


def _key(span: Span, name: str) -> tuple[str, str, int, int]:
    return ("._.", name, span.start_char, span.end_char)


def set_confidence(span: Span, confidence: float, *, component: str, calibrated: bool) -> None:
    """Store a span's confidence, and where the component that found it was never calibrated, its name."""
    data: dict[Any, Any] = span.doc.user_data
    data[_key(span, _CONFIDENCE)] = confidence
    if calibrated:
        data.pop(_key(span, _UNCALIBRATED), None)
    else:
        data[_key(span, _UNCALIBRATED)] = component


def stored_confidence(span: Span) -> float | None:
    """A span's confidence, None where no component set one; never warns."""
    data: dict[Any, Any] = span.doc.user_data
    return data.get(_key(span, _CONFIDENCE))


def _get_confidence(span: Span) -> float | None:
    data: dict[Any, Any] = span.doc.user_data
    _warn_uncalibrated(data.get(_key(span, _UNCALIBRATED)))
    return stored_confidence(span)


def register_confidence() -> None:
    """Register `span._.confidence`: reading one that was never calibrated warns once (NW001)."""
    register("Span", _CONFIDENCE, getter=_get_confidence)


def set_prediction(doc: Doc, name: str, prediction: Any, *, component: str, calibrated: bool) -> None:
    """Store a document's prediction under `doc._.NAME`, and where its component was never calibrated, who made it."""
    data: dict[Any, Any] = doc.user_data
    data[_doc_key(name)] = prediction
    if calibrated:
        data.pop(_doc_key(f"{_UNCALIBRATED}_{name}"), None)
    else:
        data[_doc_key(f"{_UNCALIBRATED}_{name}")] = component


def _doc_key(name: str) -> tuple[str, str, None, None]:
    return ("._.", name, None, None)


@dataclass(frozen=True)
class _PredictionGetter:
    """Equal for equal names: a spawned worker gets its parent's, and must know it for its own."""

    name: str

    def __call__(self, doc: Doc) -> Any:
        data: dict[Any, Any] = doc.user_data
        _warn_uncalibrated(data.get(_doc_key(f"{_UNCALIBRATED}_{self.name}")))
        found = data.get(_doc_key(self.name))
        return list(found) if isinstance(found, tuple) else found  # a DocBin makes tuples of lists


def register_prediction(name: str) -> None:
    """Register `doc._.NAME`: reading one that was never calibrated warns once (NW001)."""
    register("Doc", name, getter=_PredictionGetter(name))


# What a linker says of a span, beside `kb_id_`. Links of spans in a group lie in one dictionary by label for each pair
# of bounds: two spans of a group may have equal bounds and mean different things.
LINK_ATTRIBUTES = {f"kb_{name}": name for name in Link.__annotations__}
_GROUP_LINKS = "kb_links"


def set_link(span: Span, link: Link, *, in_group: bool = False) -> None:
    """Store what a linker found out about a span; `kb_id_` is the caller's to set.

    in_group (bool): Whether the span stands in a span group: then the link holds for spans of its label alone, and
        takes nothing from an entity with the same bounds.
    """
    data: dict[Any, Any] = span.doc.user_data
    if in_group:
        data.setdefault(_key(span, _GROUP_LINKS), {})[span.label_] = link
        return
    for attribute, name in LINK_ATTRIBUTES.items():
        data[_key(span, attribute)] = link[name]  # type: ignore[literal-required]


def clear_links(doc: Doc) -> None:
    """Remove what `set_link` stored of any span of a document."""
    data: dict[Any, Any] = doc.user_data
    names = {*LINK_ATTRIBUTES, _GROUP_LINKS}
    for key in [key for key in data if isinstance(key, tuple) and key[0] == "._." and key[1] in names]:
        del data[key]


@dataclass(frozen=True)
class _LinkGetter:
    """Equal for equal names, as `_PredictionGetter`."""

    name: str

    def __call__(self, span: Span) -> Any:
        data: dict[Any, Any] = span.doc.user_data
        links = data.get(_key(span, _GROUP_LINKS))
        if links and span.label_ in links:
            found = links[span.label_][LINK_ATTRIBUTES[self.name]]
        else:
            found = data.get(_key(span, self.name))
        return list(found) if isinstance(found, tuple) else found  # a DocBin makes tuples of lists


def register_links() -> None:
    """Register `span._.kb_candidates`, `kb_score`, `kb_uri`, `kb_types`, `kb_description` and `kb_status`.

    All are None where no linker has looked at the span.
    """
    for name in LINK_ATTRIBUTES:
        register("Span", name, getter=_LinkGetter(name))


def _warn_uncalibrated(component: str | None) -> None:
    if component is not None and component not in _warned:
        _warned.add(component)
        warnings.warn(Warnings.NW001.format(name=component), stacklevel=4)


def _place_of(owner: Doc | Span, name: str) -> tuple[dict[Any, Any], Any]:
    """Where `owner._.NAME` is stored: the dictionary, and the key in it."""
    if isinstance(owner, Span):
        return owner.doc.user_data, _key(owner, name)  # type: ignore[return-value]
    return owner.user_data, _doc_key(name)  # type: ignore[return-value]


def set_written(owner: Doc | Span, name: str, written: Any) -> None:
    """Store under `owner._.NAME` what was written for a document, or for a span of it."""
    data, key = _place_of(owner, name)
    data[key] = written


@dataclass(frozen=True)
class _WrittenGetter:
    """Equal for equal names, as `_PredictionGetter`."""

    name: str

    def __call__(self, owner: Doc | Span) -> Any:
        data, key = _place_of(owner, self.name)
        return _with_lists(data.get(key))


def _with_lists(value: Any) -> Any:
    """The same with lists for tuples, which a DocBin makes of them."""
    if isinstance(value, dict):
        return {key: _with_lists(item) for key, item in value.items()}
    return [_with_lists(item) for item in value] if isinstance(value, (list, tuple)) else value


def register_written(name: str) -> None:
    """Register `doc._.NAME` and `span._.NAME`, None where nothing was written."""
    for owner in ("Doc", "Span"):
        register(owner, name, getter=_WrittenGetter(name))
