"""The rename that an error advises: the undecided in pairs, tried on the same entries before it is said. Pure; standard library only."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from partial_restore._keys import AUTOMATIC, SCOPES, VARIABLES, is_place
from partial_restore._plan import Request, decide
from partial_restore._select import compile_rename
from partial_restore._settle import MOST_CANDIDATES
from partial_restore._types import Decision, Entry, Match, Outcome

Pair = tuple[Entry, Entry]
"""A tensor, and the variable for which it is."""

_ByLayer = Mapping[str, Sequence[Entry]]

Rules = dict["str | re.Pattern[str]", "str | Sequence[str] | None"]
"""A rename, as rules for names."""

_NUMBER = re.compile(r"_\d+(?=/|$)")


_MOST_CHOICES = 100_000
"""Tensors that variables may have, all together, of which to choose: what takes longer than a few seconds is not advised."""


class Open(NamedTuple):
    """A variable that is undecided, and the tensors of its shape that no other one has."""

    target: Entry
    free: Sequence[Entry]

    @property
    def is_nameless(self) -> bool:
        return any(entry.nameless for entry in self.free)

    @property
    def is_ordered(self) -> bool:
        """Say whether of a tensor only the place is known, in the order of the model."""
        return self.is_nameless or any(is_place(segment) for entry in self.free for segment in entry.called.segments)

    @property
    def is_of_names(self) -> bool:
        """Say whether what Keras called a tensor is all that the file tells."""
        return any(entry.called.segments in [name.segments for name in entry.given] for entry in self.free)


def advised_rename(decision: Decision, sources: Sequence[Entry], request: Request) -> Rules | None:
    """Return the shortest rename that decides all that is undecided and leaves the rest as it is, for the user to check.

    It says of every layer in question whose it is; if that changes what was decided, of all layers, or drops those that do not
    fit; and where a layer is not enough, of every tensor. None if even that does not help.
    """
    undecided = _undecided(decision, sources)
    is_much = sum(len(each.free) for each in undecided) >= _MOST_CHOICES
    pairs = [] if is_much else paired(undecided, Likeness(request.called, AUTOMATIC | SCOPES | {*request.automatic}))
    if not pairs:
        return None
    met = {old.key for old, _ in pairs} | {match.source.key for match in decision.matches if match.source}
    candidates = [match.candidates for match in decision.of(Outcome.AMBIGUOUS)] + [each.free for each in undecided]
    rest = {entry.key: entry for some in candidates for entry in some if entry.key not in met}.values()
    had = [(m.source, m.target) for m in decision.matches if m.source and m.target.group == "model"]
    loaded = [(m.source, m.target) for m in decision.of(Outcome.LOADED) if m.source and m.target.group == "model"]
    refused = [m.source for m in decision.of(Outcome.MISMATCHED, Outcome.UNCASTABLE) if m.source]
    tries = [
        _rules(some, left, by_layer=by_layer)
        for some, left in ((pairs, rest), ([*had, *pairs], rest), ([*loaded, *pairs], [*rest, *refused]))
        for by_layer in (True, False)
    ]
    return next(
        (rules for rules in sorted(tries, key=len) if _is_right(rules, pairs, decision, sources, request)), None
    )


def _undecided(decision: Decision, sources: Sequence[Entry]) -> list[Open]:
    """Return what is undecided.

    A tensor without a name has a place only, in the order of the model: that counts where the places of the variables are
    known, and as many may have one as there are, be they selected or not.
    """
    taken = {match.source.key for match in decision.matches if match.source}
    alike: dict[str, list[Entry]] = defaultdict(list)
    for entry in sources:
        alike[_unnumbered(entry.name)].append(entry)

    def free(match: Match) -> list[Entry]:
        kinds = dict.fromkeys(_unnumbered(entry.name) for entry in match.candidates)
        is_cut = len(match.candidates) == MOST_CANDIDATES
        found = [entry for kind in kinds for entry in alike[kind]] if is_cut else match.candidates
        return [entry for entry in found if entry.shape == match.target.shape and entry.key not in taken]

    found = [
        Open(match.target, free(match))
        for match in decision.matches
        if match.outcome is Outcome.AMBIGUOUS or any(entry.nameless for entry in match.candidates)
    ]
    times = Counter(each.target.shape for each in found if each.is_nameless and each.target.place is not None)
    return [each for each in found if not each.is_nameless or times[each.target.shape] == len(each.free)]


@dataclass(frozen=True)
class Likeness:
    """How much alike a variable and a tensor are called: how many segments the ends of two names have in common.

    First those that were given count, with the numbers that a person chose; then without any, also in other names, be it with the
    name of the ``model`` before them; then the attributes. Numbers of ``automatic`` names tell nothing.
    """

    model: str = ""
    automatic: Collection[str] = ()

    def __call__(self, target: Entry, source: Entry) -> tuple[int, ...]:
        """Return what counts of two entries, first things first."""
        front = f"{self.model}/" if self.model else ""
        ours = {front + name.text for name in (*target.shown, *target.paths, *target.given)}
        theirs = {name.text for name in (*source.paths, *source.given, *source.ops)}
        given = [(one.text, other.text) for one in target.given for other in source.given]
        attributes = [(one.text, other.text) for one in target.paths for other in source.paths]
        return (
            max((_common_end(*map(self._chosen, pair)) for pair in given), default=0),
            max((_common_end(*map(_unnumbered, pair)) for pair in given), default=0),
            max(_common_end(_unnumbered(one), _unnumbered(other)) for one in ours for other in theirs),
            max((_common_end(*map(_unnumbered, pair)) for pair in attributes), default=0),
        )

    def _chosen(self, name: str) -> str:
        return "/".join(base if (base := _unnumbered(each)) in self.automatic else each for each in name.split("/"))


def paired(undecided: Sequence[Open], likeness: Likeness) -> list[Pair]:
    """Return the undecided in pairs, each tensor once, layer by layer: one that has a free tensor for each of the variables.

    What has fewest of these goes first, then what is called most alike one of them, and takes that; then what comes first in the model.
    Last goes that of whose tensors another layer has the name.

    >>> from partial_restore._types import name_of
    >>> head, inner = (Entry(name, (name_of(name),), (), (), "float32") for name in ("dense_1/w", "net/dense/w"))
    >>> one, two = (Entry(name, (name_of(name),), (), (), "float32") for name in ("dense/w", "dense_1/w"))
    >>> [(old.name, new.name) for old, new in paired([Open(head, [one, two]), Open(inner, [one])], Likeness())]
    [('dense/w', 'net/dense/w'), ('dense_1/w', 'dense_1/w')]
    """
    layers: dict[str, list[tuple[Entry, _ByLayer]]] = defaultdict(list)
    for each in undecided:
        layers[_layer(each.target)].append((each.target, _by_layer(each.free)))
    options = {layer: _options(variables, likeness) for layer, variables in layers.items()}
    alike = {layer: max(found.values(), default=()) for layer, found in options.items()}
    places = {_layer(each.target): each.target.place or 0 for each in undecided if each.is_ordered}
    made = {
        _layer(each.target): each.target.given[0].text for each in undecided if each.target.given and each.is_of_names
    }
    order = {layer: i for i, layer in enumerate(_as_made(layers, made))}
    named: dict[str, int] = defaultdict(int)
    for option, (name, *_) in (each for fits in options.values() for each in fits.items()):
        named[option] = max(named[option], name)
    pairs: dict[str, Pair] = {}

    def rank(layer: str) -> tuple[int, ...]:
        is_outdone = all(name < named[option] for option, (name, *_) in options[layer].items())
        few = is_outdone, len(options[layer]), places.get(layer, 0)
        return *few, *(-each for each in alike[layer]), order[layer]

    for layer in sorted(layers, key=rank):
        found = (_chosen(layers[layer], option, pairs, likeness) for option in options[layer])
        pairs |= next(filter(None, found), {})
    return list(pairs.values())


def _as_made(layers: Iterable[str], names: Mapping[str, str]) -> list[str]:
    """Return layers in the order of the model, those that Keras numbered in a row by their numbers: it counts what is made.

    The order of a model of branches is that of no numbers, and not the same in both families.

    >>> _as_made(["one", "head", "two"], {"one": "dense_1/w", "two": "dense/w"})
    ['two', 'head', 'one']
    """
    rows: dict[str, list[str]] = defaultdict(list)
    for layer in layers:
        rows[_unnumbered(names.get(layer, layer))].append(layer)
    queues = {row: iter(sorted(held, key=lambda each: _natural(names.get(each, each)))) for row, held in rows.items()}
    return [next(queues[_unnumbered(names.get(layer, layer))]) for layer in layers]


def _by_layer(entries: Iterable[Entry]) -> _ByLayer:
    layers: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        layers[_layer(entry)].append(entry)
    return layers


def _options(variables: Sequence[tuple[Entry, _ByLayer]], likeness: Likeness) -> Mapping[str, tuple[int, ...]]:
    """Return the layers that have a tensor for each of the variables of one, and how alike they are called; the most alike first."""
    common = set.intersection(*(set(free) for _, free in variables))
    alike = {
        layer: max(likeness(target, entry) for target, free in variables for entry in free[layer]) for layer in common
    }
    ordered = sorted(common, key=_natural)
    return {layer: alike[layer] for layer in sorted(ordered, key=alike.__getitem__, reverse=True)}


def _chosen(
    variables: Sequence[tuple[Entry, _ByLayer]], layer: str, taken: Collection[str], likeness: Likeness
) -> dict[str, Pair]:
    """Return a tensor of a layer for each of the variables, by key, or nothing if there is none for one of them."""
    chosen: dict[str, Pair] = {}
    for target, free in variables:
        left = [entry for entry in free[layer] if entry.key not in taken and entry.key not in chosen]
        if not left:
            return {}
        ordered = sorted(left, key=lambda entry: _natural(entry.name))
        best = max(ordered, key=lambda entry: likeness(target, entry))
        chosen[best.key] = best, target
    return chosen


def _common_end(name: str, other: str) -> int:
    """Return how many segments the ends of two names have in common.

    >>> _common_end("model/sequential/dense/kernel", "sequential/dense/kernel")
    3
    """
    ends = zip(*(reversed(each.split("/")) for each in (name, other)), strict=False)
    return next((i for i, (one, two) in enumerate(ends) if one != two), min(name.count("/"), other.count("/")) + 1)


@lru_cache(maxsize=1 << 16)
def _unnumbered(name: str) -> str:
    return _NUMBER.sub("", name)


def _rules(pairs: Iterable[Pair], rest: Iterable[Entry], *, by_layer: bool) -> Rules:
    """Return the rules for the pairs, and those that drop the rest; what is below comes before what is above it."""
    news: dict[str, dict[str, None]] = defaultdict(dict)
    for old, new in pairs:
        called, meant = _shortened(old.name, new.name) if by_layer else (old.name, new.name)
        news[called][meant] = None
    for entry in rest:
        news[(_layer(entry) or entry.name) if by_layer else entry.name] |= {}
    return {old: _said([*news[old]]) for old in sorted(news, key=lambda old: -old.count("/"))}


def _said(names: list[str]) -> str | Sequence[str] | None:
    return names if len(names) > 1 else names[0] if names else None


def _shortened(old: str, new: str) -> tuple[str, str]:
    """Return the pair without the name of the variable itself, where both end in it: a rule per layer.

    >>> _shortened("dense_1/kernel", "body/dense/kernel")
    ('dense_1', 'body/dense')
    """
    olds, _, last = old.rpartition("/")
    news, _, end = new.rpartition("/")
    return (olds, news) if olds and news and last == end else (old, new)


def _is_right(
    rules: Rules,
    pairs: Iterable[Pair],
    decision: Decision,
    sources: Sequence[Entry],
    request: Request,
) -> bool:
    """Say whether with these rules every pair is one, and what was decided before is as it was."""
    after = decide([m.target for m in decision.matches], sources, replace(request, rename=compile_rename(rules)))
    meant = {target.key: source.key for source, target in pairs}
    return not (after.unfit or after.astray) and all(
        _is_as_meant(old, new, meant.get(old.target.key))
        for old, new in zip(decision.matches, after.matches, strict=True)
    )


def _is_as_meant(before: Match, after: Match, meant: str | None) -> bool:
    """Say whether a variable has the tensor that is meant for it, or else what it had, or none. State follows it."""
    if before.target.group == "optimizer" and before.outcome is not Outcome.LOADED:
        return after.outcome not in (Outcome.AMBIGUOUS, Outcome.COLLIDED)
    if meant and before.outcome is Outcome.AMBIGUOUS:
        return after.outcome is Outcome.LOADED and after.source is not None and after.source.key == meant
    if after.outcome is Outcome.MISSING:
        return before.outcome is not Outcome.LOADED
    return after.outcome is before.outcome and before.outcome is not Outcome.AMBIGUOUS and _has_same(before, after)


def _has_same(before: Match, after: Match) -> bool:
    return before.outcome is Outcome.UNSELECTED or after.source == before.source


def _layer(entry: Entry) -> str:
    """Return what a variable is part of: a member of a list is a part of nothing else, and what has no name may be of anyone's."""
    *layer, last = entry.called.segments
    is_alone = last.isdecimal() and layer[-1:] != [VARIABLES] and not entry.nameless
    return entry.name if is_alone else "/".join(layer)


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that orders numbers in names as numbers.

    >>> sorted(["dense_10", "dense_9", "dense"], key=_natural)
    ['dense', 'dense_9', 'dense_10']
    """
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
