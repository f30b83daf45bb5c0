"""The rename that an error advises: the undecided in pairs, tried on the same entries before it is said. Pure; standard library only."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from partial_restore._advised_blocks import Rules, renamed_blocks
from partial_restore._keys import AUTOMATIC, SCOPES
from partial_restore._paired import Likeness, Open, Pair, layer_of, paired, unnumbered
from partial_restore._plan import Request, decide
from partial_restore._select import compile_rename
from partial_restore._settle import MOST_CANDIDATES
from partial_restore._types import Decision, Entry, Match, Outcome

_MOST_CHOICES = 100_000
"""Tensors that variables may have, all together, of which to choose: what takes longer than a few seconds is not advised."""


def advised_rename(decision: Decision, sources: Sequence[Entry], request: Request) -> Rules | None:
    """Return the shortest rename that decides all that is undecided and leaves the rest as it is, for the user to check.

    It says of models and blocks what they are called now, if that decides all. Else it says of every layer in question whose it is; if that changes what was decided, of all layers, or drops those that do not
    fit; and where a layer is not enough, of every tensor. None if even that does not help.
    """
    undecided = _undecided(decision, sources)
    if sum(len(each.free) for each in undecided) >= _MOST_CHOICES:
        return None
    for rules in renamed_blocks(decision.of(Outcome.AMBIGUOUS)):
        after = _after(rules, decision, sources, request)
        if not (after.unfit or after.astray) and all(map(_is_settled, decision.matches, after.matches)):
            return rules
    pairs = paired(undecided, Likeness(request.called, AUTOMATIC | SCOPES | {*request.automatic}))
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
    known, and as many may have one as there are, be they selected or not. What other inputs feed is no tensor of a layer. So it is with state of which only the order tells whose it is, or what it is: what is called after a variable is that one's.
    """
    taken = {match.source.key for match in decision.matches if match.source}
    alike: dict[str, list[Entry]] = defaultdict(list)
    for entry in sources:
        alike[unnumbered(entry.name)].append(entry)

    owners = {match.target.key: match.source for match in decision.of(Outcome.LOADED) if match.source}

    def owner_of(match: Match) -> Entry | None:
        return owners.get((match.target.state and match.target.state.owner) or "")

    def free(match: Match) -> list[Entry]:
        kinds = dict.fromkeys(unnumbered(entry.name) for entry in match.candidates)
        is_cut = len(match.candidates) == MOST_CANDIDATES or not all(
            is_fed_alike(match, each) for each in match.candidates
        )
        found = [entry for kind in kinds for entry in alike[kind]] if is_cut else match.candidates
        fed = [entry for entry in found if is_fed_alike(match, entry)]
        left = [entry for entry in fed if entry.shape == match.target.shape and entry.key not in taken]
        owner = owner_of(match)
        return [entry for entry in left if owner and f"/{owner.name}/" in f"/{entry.name}/"] or left

    def is_fed_alike(match: Match, entry: Entry) -> bool:
        return match.target.inputs <= entry.inputs or entry.inputs <= match.target.inputs

    found = [
        Open(match.target, free(match), owner.key if (owner := owner_of(match)) else "")
        for match in decision.matches
        if match.outcome is Outcome.AMBIGUOUS or any(entry.nameless for entry in match.candidates)
    ]
    times = Counter(each.target.shape for each in found if each.is_nameless and each.target.place is not None)
    pieces = Counter(frozenset(entry.key for entry in each.free) for each in found if each.is_state)
    is_state_told = all(len(keys) == count for keys, count in pieces.items())
    return [
        each
        for each in found
        if (not each.is_nameless or times[each.target.shape] == len(each.free)) and (not each.is_state or is_state_told)
    ]


def _rules(pairs: Iterable[Pair], rest: Iterable[Entry], *, by_layer: bool) -> Rules:
    """Return the rules for the pairs, and those that drop the rest; what is below comes before what is above it."""
    news: dict[str, dict[str, None]] = defaultdict(dict)
    for old, new in pairs:
        called, meant = _shortened(old.name, new.name) if by_layer else (old.name, new.name)
        news[called][meant] = None
    for entry in rest:
        news[(layer_of(entry) or entry.name) if by_layer else entry.name] |= {}
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


def _after(rules: Rules, decision: Decision, sources: Sequence[Entry], request: Request) -> Decision:
    return decide([m.target for m in decision.matches], sources, replace(request, rename=compile_rename(rules)))


def _is_settled(before: Match, after: Match) -> bool:
    """Say whether a variable that was undecided is loaded, any other one as it was, unless its block has a tensor for it now."""
    if before.outcome is Outcome.AMBIGUOUS:
        return after.outcome is Outcome.LOADED
    is_found = before.outcome is Outcome.MISSING and after.outcome is Outcome.LOADED and after.rule is not None
    return is_found or (after.outcome is before.outcome and _has_same(before, after))


def _is_right(
    rules: Rules,
    pairs: Iterable[Pair],
    decision: Decision,
    sources: Sequence[Entry],
    request: Request,
) -> bool:
    """Say whether with these rules every pair is one, and what was decided before is as it was."""
    after = _after(rules, decision, sources, request)
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
