"""Splits documents into train, dev and test, and holds out a test of entities that the others do not name."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from spacy.tokens import Doc

from ..errors import Errors, NlpkitError

UNSEEN_ENTITIES = "unseen_entities"
NIL = "NIL"
# An entity named by more than this share of the items is not held out: one name would fill the test.
MAX_ENTITY_SHARE = 0.01


class HeldOut(NamedTuple):
    """`rest` names none of `entities` (ids, sorted); every document of `unseen` names at least one."""

    rest: list[Doc]
    unseen: list[Doc]
    entities: list[str]


def split_docs(
    docs: Sequence[Doc],
    shares: Mapping[str, float],
    seed: int = 0,
    group_by: Callable[[Doc], str | None] | None = None,
) -> dict[str, list[Doc]]:
    """Split documents at random, the same for the same seed.

    shares (Mapping[str, float]): Share of each part, in all 1. Sizes differ from it by less than one text.
    group_by (Callable): Stratify: every part has the same share of each group, as near as can be.
    RETURNS: The parts; in each the documents keep their order. Documents of equal text stay in one part.
    RAISES: N006 where the shares are no shares, or a part would get no document.
    """
    if any(share <= 0 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-6:
        raise _bad_split("numbers above 0 that add up to 1", list(shares.values()))
    texts: dict[str, list[int]] = {}
    for i, doc in enumerate(docs):
        texts.setdefault(doc.text, []).append(i)
    strata: dict[str, list[list[int]]] = {}
    for same in texts.values():
        group = group_by(docs[same[0]]) if group_by is not None else None
        strata.setdefault(group or "", []).append(same)
    rng = random.Random(seed)
    order: list[list[int]] = []
    for group in sorted(strata):
        rng.shuffle(strata[group])
        order.extend(strata[group])
    parts = _deal(order, shares)
    for name, indices in parts.items():
        if not indices:
            expected = f"such that every part gets an item, but '{name}' gets none of {len(docs)}"
            raise _bad_split(expected, list(shares.values()))
    return {name: [docs[i] for i in sorted(indices)] for name, indices in parts.items()}


def _deal(order: Sequence[Sequence[int]], shares: Mapping[str, float]) -> dict[str, list[int]]:
    """Deal texts out one by one, each to the part that lags furthest behind its share.

    So the shares hold over the whole and over every run of neighbours: strata are laid end to end.
    """
    parts: dict[str, list[int]] = {name: [] for name in shares}
    dealt = dict.fromkeys(shares, 0)
    for number, same in enumerate(order, start=1):
        name = max(shares, key=lambda part: shares[part] * number - dealt[part])
        dealt[name] += 1
        parts[name].extend(same)
    return parts


def _bad_split(expected: str, value: object) -> NlpkitError:
    return NlpkitError(Errors.N006.format(setting="--split", name="convert", expected=expected, value=value))


def hold_out_entities(docs: Sequence[Doc], amount: float, seed: int = 0) -> HeldOut:
    """Choose entities at random, and set the documents that name them aside.

    amount (float): Below 1 the share of documents to set aside, from 1 the number of entities to choose.
    Entities are ids of `doc.ents`, without "NIL" and unknown ones; those that more than 1% of documents name
    (and more than 2) are not chosen. Each document set aside lists in `user_data["unseen_entities"]` the
    entities that no remaining document names: the chosen ones, and others named nowhere else.
    The result may be smaller than asked for, where the documents name too few entities.
    RAISES: N006 where the amount is not above 0.
    """
    if amount <= 0 or (amount >= 1 and amount != int(amount)):
        expected = "a share of the items between 0 and 1, or a whole number of entities"
        raise NlpkitError(
            Errors.N006.format(setting="--unseen-entities", name="convert", expected=expected, value=amount)
        )
    named_by: dict[str, set[int]] = {}
    for i, doc in enumerate(docs):
        for kb_id in entity_ids(doc):
            named_by.setdefault(kb_id, set()).add(i)
    most = max(2, int(len(docs) * MAX_ENTITY_SHARE))
    candidates = sorted(kb_id for kb_id, items in named_by.items() if len(items) <= most)
    random.Random(seed).shuffle(candidates)
    aside: set[int] = set()
    chosen = 0
    for kb_id in candidates:
        if chosen >= amount if amount >= 1 else len(aside) >= round(amount * len(docs)):
            break
        if amount < 1 and len(aside | named_by[kb_id]) > round(amount * len(docs)):
            continue
        aside |= named_by[kb_id]
        chosen += 1
    unseen = {kb_id for kb_id, items in named_by.items() if items <= aside}
    for i in aside:
        docs[i].user_data[UNSEEN_ENTITIES] = sorted(entity_ids(docs[i]) & unseen)
    rest = [doc for i, doc in enumerate(docs) if i not in aside]
    return HeldOut(rest, [docs[i] for i in sorted(aside)], sorted(unseen))


def entity_ids(doc: Doc) -> set[str]:
    """The ids of the entities that a document names."""
    return {ent.kb_id_ for ent in doc.ents} - {"", NIL}
