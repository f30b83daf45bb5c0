"""Which optimizer state goes where, once it is known which variable takes which tensor. Pure; standard library only.

State has no identity of its own, it follows its variable: what the checkpoint keeps for a tensor goes to what the model keeps
for the variable that takes the tensor, if both mean the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import chain, islice

from partial_restore._kept import Kept, Meaning, are_alike, called_most_alike, grouped, have_rivals, optimizers_of
from partial_restore._optimizers import is_known, kind_of
from partial_restore._select import Renamed
from partial_restore._types import Entry, Match, Outcome, State, name_of

_MOST_CANDIDATES = 64
"""Candidates kept for state that cannot be decided."""

FOLLOWS = "the state of its variable"
ONCE = "the same of the optimizer"
UNTOLD = "the checkpoint does not tell whose state this is"


def follow(
    targets: Sequence[Entry], owners: Mapping[str, Match], sources: Sequence[Entry], renamed: Sequence[Renamed | None]
) -> list[Match]:
    """Return the decision for every piece of the model's optimizer state.

    ``owners`` are the decisions for the model's variables, by key. Of the tensors, ``renamed`` says what rules made.

    >>> from partial_restore._types import name_of
    >>> def entry(key, group="model", state=None):
    ...     return Entry(key, (name_of(key),), (), (2,), "float32", group, 4, state=state)
    >>> w, slot = entry("w"), entry("o/w/m", "optimizer", State("momentum", "adam", ("o",), "w"))
    >>> v, held = entry("v"), entry("v/Adam", "optimizer", State("momentum", "adam", (), "v"))
    >>> follow([slot], {"w": Match(w, Outcome.LOADED, "renamed", v)}, [v, held], [None, None])[0].source.key
    'v/Adam'
    """
    sides = _Sides(targets, owners, _free(sources, renamed))
    said = _said(sources, renamed)
    return [_match(target, _meant(target, said.get(target.name, ())), sides) for target in targets]


def _free(sources: Sequence[Entry], renamed: Sequence[Renamed | None]) -> list[Entry]:
    """Return the state among the tensors; a rule that renames its root along with all others says nothing of it."""
    return [
        source
        for source, rule in zip(sources, renamed, strict=True)
        if source.group == "optimizer" and (rule is None or rule.names)
    ]


_Said = tuple[Entry, bool]
"""A tensor that a rule gave a new name, and whether the rule spelled all of that."""


def _said(sources: Sequence[Entry], renamed: Sequence[Renamed | None]) -> dict[str, list[_Said]]:
    """Return the tensors that rules gave a new name, by that name."""
    said: dict[str, list[_Said]] = defaultdict(list)
    for source, rule in zip(sources, renamed, strict=True):
        spelled = {name.text: pinned == len(name.segments) for name, pinned in rule.names} if rule else {}
        for text, is_whole in spelled.items():
            said[text].append((source, is_whole))
    return said


def _meant(target: Entry, said: Sequence[_Said]) -> list[Entry]:
    """Return the tensors that rules mean for a piece of state: one that renames a layer does not make a velocity a moment."""
    families = {each.state.family for each in (target, *(source for source, _ in said)) if each.state}
    is_of_another = len(families) > 1 and "" not in families
    return [source for source, is_whole in said if is_whole or not is_of_another]


def _match(target: Entry, said: Sequence[Entry], sides: _Sides) -> Match:
    """Return where one piece of state comes from."""
    if said:
        outcome = Outcome.LOADED if len(said) == 1 else Outcome.COLLIDED
        return _decided(target, outcome, "renamed" if len(said) == 1 else "rename puts them here", said)
    state = target.state
    if state is None or not state.kind:
        return Match(target, Outcome.MISSING, "the model does not tell to which variable it belongs")
    if state.owner is not None:
        owner = sides.owners.get(state.owner)
        if owner is None or owner.outcome is not Outcome.LOADED:
            is_missing = owner is not None and owner.outcome is Outcome.MISSING
            outcome = Outcome.MISSING if is_missing else Outcome.UNSELECTED
            return Match(target, outcome, "its variable is not loaded")
    found = sides.candidates(target, state)
    if _stands_for_nothing(target, state, found):
        return Match(target, Outcome.MISSING, "it stands for averages that are not kept of a vector")
    if found and (len(found) > 1 or sides.is_contested(target, state)):
        return _decided(target, Outcome.AMBIGUOUS, "nothing tells of which optimizer it is", found)
    if state.owner is not None and state.is_reordered and any(entry.state and entry.state.by_order for entry in found):
        return _decided(target, Outcome.AMBIGUOUS, UNTOLD, sides.listed(target))
    if found:
        return _decided(target, Outcome.LOADED, ONCE if state.owner is None else FOLLOWS, found)
    for reason, doubtful in (
        ("the checkpoint does not tell the class of its optimizer", sides.classless(target, state)),
        (UNTOLD, sides.untold(target, state)),
    ):
        if doubtful:
            return _decided(target, Outcome.AMBIGUOUS, reason, doubtful)
    return Match(target, Outcome.MISSING, sides.lack(target))


def _stands_for_nothing(target: Entry, state: State, found: Sequence[Entry]) -> bool:
    """Say whether a piece is what Adafactor has in place of averages of a vector: in Keras 2 both are called alike."""
    is_dummy = state.kind in ("r", "c") and not target.shape
    return is_dummy and (len(found) > 1 or any(entry.dtype != target.dtype for entry in found))


def _decided(target: Entry, outcome: Outcome, reason: str, found: Sequence[Entry]) -> Match:
    if len(found) == 1 and outcome is not Outcome.AMBIGUOUS:
        return Match(target, outcome, reason, found[0])
    return Match(target, outcome, reason, candidates=tuple(found[:_MOST_CANDIDATES]))


class _Sides:
    """The state of both sides, and which optimizers of the checkpoint each of the model's may be."""

    def __init__(self, targets: Sequence[Entry], owners: Mapping[str, Match], sources: Sequence[Entry]) -> None:
        self.owners = owners
        self._ours, self._theirs = optimizers_of(targets), optimizers_of(sources)
        self._homes = {entry.key: ours for ours in self._ours for entry in ours.states}
        self._meanings: dict[tuple[Kept, str], Mapping[Meaning, Sequence[Entry]]] = {}
        self._partners = self._all_partners()

    def candidates(self, target: Entry, state: State) -> list[Entry]:
        """Return the tensors that mean what this piece of state means, and belong to the tensor of its variable."""
        return self._meaning(state, self._homes[target.key].family, self._partners[self._homes[target.key]])

    def classless(self, target: Entry, state: State) -> list[Entry]:
        """Return the tensors that mean it if their optimizer, of which nothing tells the class, is of this class."""
        theirs = [each for each in self._theirs if not each.family]
        return self._meaning(state, self._homes[target.key].family, theirs)

    def _meaning(self, state: State, family: str, optimizers: Collection[Kept]) -> list[Entry]:
        wanted = self._source_of(state), state.kind
        return [entry for theirs in optimizers for entry in self._meaning_to(family, theirs).get(wanted, ())]

    def _meaning_to(self, family: str, theirs: Kept) -> Mapping[Meaning, Sequence[Entry]]:
        """Return what an optimizer keeps by what it means to a family."""
        if (theirs, family) not in self._meanings:
            self._meanings[theirs, family] = grouped(
                ((state.owner, kind_of(family, state.kind)), entry) for entry, state in theirs.states.items()
            )
        return self._meanings[theirs, family]

    def is_contested(self, target: Entry, state: State) -> bool:
        """Say whether another optimizer of the model may be the same as well, and keeps the same of this variable."""
        ours = self._homes[target.key]
        rivals = [each for each in self._ours if each is not ours and self._partners[each] & self._partners[ours]]
        return any((state.owner, state.kind) in rival.held for rival in rivals)

    def untold(self, target: Entry, state: State) -> list[Entry]:
        """Return the state of variables that the checkpoint does not explain, of this shape, of optimizers of this class."""
        if state.owner is None:
            return []
        family = self._homes[target.key].family
        fitting = [each for each in self._theirs if not is_known(each.family) or each.family == family]
        untold = chain.from_iterable(theirs.untold.get(target.shape, ()) for theirs in fitting)
        return list(islice(untold, _MOST_CANDIDATES))

    def listed(self, target: Entry) -> list[Entry]:
        """Return the state of this shape that the checkpoint lists, by its keys: the order of the list does not tell whose it is."""
        fitting = (entry for theirs in self._partners[self._homes[target.key]] for entry in theirs.states)
        return [entry._replace(paths=(name_of(entry.key),)) for entry in fitting if entry.shape == target.shape]

    def lack(self, target: Entry) -> str:
        """Return why there is nothing for a piece of state."""
        if not self._theirs:
            return "the checkpoint tells of no optimizer state"
        if not self._partners[self._homes[target.key]]:
            families = ", ".join(sorted({each.family or "unknown" for each in self._theirs}))
            return f"the checkpoint's optimizer is another one ({families})"
        return "the checkpoint's optimizer has no such state"

    def _source_of(self, state: State) -> str | None:
        match = self.owners.get(state.owner) if state.owner is not None else None
        return match.source.key if match and match.source and match.outcome is Outcome.LOADED else None

    def _all_partners(self) -> dict[Kept, set[Kept]]:
        """Pair what is of one class; where several are, by their names and by the variables that they train."""
        alike = {ours: {each for each in self._theirs if are_alike(ours, each)} for ours in self._ours}
        named = {ours: called_most_alike(ours, alike[ours]) for ours in self._ours}
        shared = {ours: self._training_the_same(ours, alike[ours]) for ours in self._ours}
        partners: dict[Kept, set[Kept]] = {}
        for ours in self._ours:
            if len(alike[ours]) <= 1 and not have_rivals(ours, alike):
                partners[ours] = alike[ours]
                continue
            told = [each[ours] for each in (named, shared) if len(each[ours]) == 1 and not have_rivals(ours, each)]
            agreed = set.intersection(*told) if told else set()
            partners[ours] = agreed or alike[ours]
        return partners

    def _training_the_same(self, ours: Kept, alike: Collection[Kept]) -> set[Kept]:
        wanted = {(self._source_of(state), state.kind) for state in ours.states.values() if state.owner is not None}
        return {each for each in alike if any(m in wanted and m[0] for m in self._meaning_to(ours.family, each))}
