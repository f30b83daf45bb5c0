"""Two lists of entries in, the whole decision out. Total: never raises for data, never reads, knows no TensorFlow.

What cannot be decided is an `Outcome` with its candidates, so that a dry run shows the whole picture.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from partial_restore._cast import Cast, is_castable
from partial_restore._doubt import NUMBERED, doubted
from partial_restore._match import Pairing, pair
from partial_restore._select import Renamed, Rule, Test, apply_rules
from partial_restore._settle import Grade
from partial_restore._sides import Joins
from partial_restore._state import follow
from partial_restore._types import GROUP_REASONS, Decision, Entry, Match, Outcome, Skip


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller asked for, compiled."""

    include: Sequence[Test] | None = None
    exclude: Sequence[Test] = ()
    rename: Sequence[Rule] = ()
    cast: Cast = "same_kind"
    automatic: Collection[str] = field(default=frozenset())
    optimizer: bool = False
    called: str = ""
    joins: Joins = lambda *_: None


def decide(targets: Sequence[Entry], sources: Sequence[Entry], request: Request) -> Decision:
    """Return one outcome per variable and one per tensor.

    >>> from partial_restore._types import name_of
    >>> entry = Entry("w", (name_of("w"),), (), (2,), "float32")
    >>> decide([entry], [entry], Request()).matches[0].outcome
    <Outcome.LOADED: 'loaded'>
    """
    ours = [entry for entry in targets if entry.group == "model"]
    renamed_all = [apply_rules(request.rename, entry) for entry in sources]
    theirs = [(entry, renamed) for entry, renamed in zip(sources, renamed_all, strict=True) if entry.group == "model"]
    free = [entry for entry, _ in theirs]
    pairing = pair(ours, free, [renamed for _, renamed in theirs], request.automatic, request.called, request.joins)
    places = {entry.key: t for t, entry in enumerate(ours)}
    decided = [_match(entry, places.get(entry.key), free, pairing, request) for entry in targets]
    matches = doubted(decided, free)
    if request.optimizer:
        matches = _with_state(matches, sources, renamed_all, request)
    others = {free[s].key: ours[t].key for s, t in pairing.others.items()}
    skipped = tuple(_skips(sources, renamed_all, matches, others, optimizer=request.optimizer))
    if not request.rename:
        return Decision(matches, skipped, pairing.roots)
    near = {source.key for match in matches for source in (match.source, *match.candidates) if source is not None}
    acting = {renamed.rule for renamed in renamed_all if renamed}
    landing = {
        r.rule for entry, r in zip(sources, renamed_all, strict=True) if r and (entry.key in near or not r.names)
    }
    texts = [rule.text for rule in request.rename]
    return Decision(
        matches,
        skipped,
        pairing.roots,
        tuple(text for text in texts if text not in acting),
        tuple(text for text in texts if text in acting - landing),
    )


def _match(target: Entry, t: int | None, sources: Sequence[Entry], pairing: Pairing, request: Request) -> Match:
    if t is None:
        return Match(target, Outcome.UNSELECTED, GROUP_REASONS[target.group])
    paired = _pair(target, t, sources, pairing)
    reason = unselected(target, request)
    if reason:
        return Match(target, Outcome.UNSELECTED, reason, paired.source, paired.candidates, paired.rule)
    return _fitting(paired, request.cast)


def unselected(target: Entry, request: Request, owner: Entry | None = None) -> str:
    """Return why a variable is not selected, or an empty string. ``exclude`` wins; state is included with its owner."""
    for test in request.exclude:
        if test.accepts(target):
            return f"excluded by {test.text}"
    if request.include is not None and not any(
        test.accepts(entry) for test in request.include for entry in (target, owner) if entry
    ):
        return "not included"
    return ""


def _with_state(
    matches: Sequence[Match], sources: Sequence[Entry], renamed: Sequence[Renamed | None], request: Request
) -> tuple[Match, ...]:
    """Decide about the optimizer state as well, which follows the variables."""
    owners = {match.target.key: match for match in matches if match.target.group == "model"}
    states = [match.target for match in matches if match.target.group == "optimizer"]
    followed = {match.target.key: match for match in follow(states, owners, sources, renamed)}

    def decided(match: Match) -> Match:
        followed_by = followed.get(match.target.key)
        if followed_by is None:
            return match
        state = match.target.state
        owner = owners.get(state.owner) if state and state.owner is not None else None
        reason = unselected(match.target, request, owner.target if owner else None)
        if reason:
            return followed_by._replace(outcome=Outcome.UNSELECTED, reason=reason)
        return _fitting(followed_by, request.cast)

    return tuple(map(decided, matches))


def _pair(target: Entry, t: int, sources: Sequence[Entry], pairing: Pairing) -> Match:
    """Take the most certain candidates; more than one of them is no certainty."""
    grade, candidates = pairing.settled.get(t, (Grade.UNDECIDED, ()))
    found = [sources[s] for s in sorted(candidates)]
    if grade is Grade.SAID:
        rule = ", ".join(dict.fromkeys(pairing.rules[s] for s in sorted(candidates) if s in pairing.rules))
        if len(found) > 1:
            is_of_rules = all(s in pairing.rules for s in candidates)
            reason = "rename puts them here" if is_of_rules else "rename puts one here, and another has this name"
            return _several(Match(target, Outcome.COLLIDED, reason, rule=rule), found)
        return Match(target, Outcome.LOADED, "renamed", found[0], rule=rule)
    if len(found) == 1 and grade in _REASONS:
        return Match(target, Outcome.LOADED, _REASONS[grade], found[0])
    if found:
        return _several(
            Match(target, Outcome.AMBIGUOUS, _DOUBTS.get(grade, "its names lead to several tensors")), found
        )
    nameless = pairing.nameless.get(target.shape, ())
    if nameless:
        reason = "the checkpoint has tensors of its shape without a name"
        return _several(Match(target, Outcome.AMBIGUOUS, reason), [sources[s] for s in nameless])
    return Match(target, Outcome.MISSING, Outcome.MISSING.value)


_REASONS = {Grade.NAMED: "same name", Grade.NUMBERED: NUMBERED}
_DOUBTS = {
    Grade.UNDECIDED: "its name is shared, or only a number",
    Grade.ELSEWHERE: "the layer of its name stands elsewhere",
}


def _several(match: Match, candidates: Sequence[Entry]) -> Match:
    return match._replace(candidates=tuple(candidates))


def _fitting(match: Match, cast: Cast) -> Match:
    """Hold a pair against shapes and dtypes."""
    target, source = match.target, match.source
    if match.outcome is not Outcome.LOADED or source is None:
        return match
    if source.shape != target.shape:
        return match._replace(
            outcome=Outcome.MISMATCHED,
            reason=f"shape {source.shape} in the checkpoint, {target.shape} in the model",
        )
    if not is_castable(source.dtype, target.dtype, cast):
        return match._replace(
            outcome=Outcome.UNCASTABLE, reason=f"{source.dtype} in the checkpoint, {target.dtype} in the model"
        )
    return match


def _skips(
    sources: Sequence[Entry],
    renamed: Sequence[Renamed | None],
    matches: Sequence[Match],
    others: Mapping[str, str],
    *,
    optimizer: bool,
) -> Iterator[Skip]:
    """Yield every tensor that no variable takes, with the reason; ``others`` go where another one for the variable goes."""
    used = {match.source.key for match in matches if match.source and match.outcome is Outcome.LOADED}
    near: dict[str, Match] = {}
    for match in (match for match in matches if match.outcome is not Outcome.LOADED):
        for source in (match.source, *match.candidates):
            if source is not None:
                near.setdefault(source.key, match)
    by_target = {match.target.key: match for match in matches if others}
    near |= {key: by_target[target] for key, target in others.items() if key not in near}
    for source, rule in zip(sources, renamed, strict=True):
        if source.key not in used:
            yield Skip(source, _skip_reason(source, rule, near.get(source.key), optimizer=optimizer))


def _skip_reason(source: Entry, renamed: Renamed | None, match: Match | None, *, optimizer: bool) -> str:
    if source.group != "model" and not (optimizer and source.group == "optimizer"):
        return GROUP_REASONS[source.group]
    if renamed is not None and not renamed.names:
        return f"dropped by rename {renamed.rule}"
    if match is not None and match.outcome is Outcome.LOADED:
        return f"its variable takes what is renamed by {match.rule}" if match.rule else GROUP_REASONS["copy"]
    if match is not None and match.outcome is Outcome.UNSELECTED:
        return f"its variable is {match.reason}"
    if match is not None:
        return f"its variable is refused: {match.outcome.value}"
    if renamed is not None:
        return f"renamed by {renamed.rule} to what is no variable of the model"
    if source.group == "optimizer":
        return "the model keeps no such state of a variable that is loaded"
    return "no variable of the model has its name"
