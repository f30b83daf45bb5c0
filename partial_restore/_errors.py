"""Everything that can go wrong, one class per thing a user can do about it: data in, text out.

Standard library only. An error holds its data in public fields; the text is derived from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from partial_restore._types import Decision, Entry, Match, Outcome, listing


class RestoreError(Exception):
    """The base of every error of this package. Unless it is a `PartialRestoreError`, nothing was changed."""


class CheckpointNotFoundError(RestoreError, FileNotFoundError):
    """There is no checkpoint at the path; ``present`` are the names that are there instead."""

    def __init__(self, path: object, looked_for: Sequence[str], present: Sequence[str] = (), hint: str = "") -> None:
        self.path, self.looked_for, self.present, self.hint = path, tuple(looked_for), tuple(present), hint
        super().__init__(path)

    def __reduce__(self) -> tuple[type[CheckpointNotFoundError], tuple[object, ...]]:
        return type(self), (self.path, self.looked_for, self.present, self.hint)

    def __str__(self) -> str:
        there = f"\nThere is:\n{listing(self.present)}" if self.present else "\nNothing is there."
        hint = f"\n{self.hint}" if self.hint else ""
        return f"no checkpoint at {self.path!r}. Looked for:\n{listing(self.looked_for)}{there}{hint}"


class UnreadableCheckpointError(RestoreError):
    """The checkpoint at ``path`` is damaged, incomplete or of another format; ``detail`` says what is wrong."""

    def __init__(self, path: object, detail: str) -> None:
        self.path, self.detail = path, detail
        super().__init__(path, detail)

    def __str__(self) -> str:
        return f"the checkpoint {self.path!r} cannot be read: {self.detail}"


class StalePlanError(RestoreError):
    """What was planned of the checkpoint at ``path`` is another plan by now; ``detail`` says why."""

    def __init__(self, path: object, detail: str) -> None:
        self.path, self.detail = path, detail
        super().__init__(path, detail)

    def __str__(self) -> str:
        return f"the plan for {self.path!r} is out of date: {self.detail}. Plan anew; nothing was changed."


class UnbuiltError(RestoreError):
    """The model has layers, or optimizers, without variables yet; ``layers`` and ``optimizers`` are their names."""

    def __init__(self, model: str, layers: Sequence[str], optimizers: Sequence[str] = ()) -> None:
        self.model, self.layers, self.optimizers = model, tuple(layers), tuple(optimizers)
        super().__init__(model, layers, optimizers)

    def __str__(self) -> str:
        if self.optimizers:
            return (
                f"{self.model} has an optimizer without state yet: {', '.join(self.optimizers)}. Build it first with the "
                "variables that it trains, as model.optimizer.build(model.trainable_variables), or train one step."
            )
        if not self.layers:
            return f"{self.model} has no variables. Build it first: call it once on an input, or call its build(input_shape)."
        return (
            f"{len(self.layers)} layers of {self.model} are not built and have no variables yet:\n{listing(self.layers)}\n"
            "Build the model first: call it once on an input, or call model.build(input_shape). "
            "A layer that is never used must be removed."
        )


class UnknownNameError(RestoreError):
    """Patterns or rename rules that fit nothing; ``unknown`` are (argument, text, nearest names).

    The argument of a rule is ``"rename from"`` if it decides for no tensor, ``"rename to"`` if it leads to no variable.
    """

    def __init__(self, unknown: Sequence[tuple[str, str, Sequence[str]]]) -> None:
        self.unknown = tuple((argument, text, tuple(near)) for argument, text, near in unknown)
        super().__init__(self.unknown)

    def __str__(self) -> str:
        lines = []
        for argument, text, near in self.unknown:
            fault = {
                "rename from": "decides for no tensor of the checkpoint",
                "rename to": "leads to no variable of the model",
            }.get(argument, "fits no variable of the model")
            lines.append(
                f"{argument.partition(' ')[0]}: {text} {fault}; the nearest names: {', '.join(near) or 'none'}"
            )
        return "\n".join([*lines, "Correct it, or pass allow_unmatched=True."])


class RefusedError(RestoreError):
    """A plan that cannot be carried out: base of the errors below, with all that is wrong in one ``decision``.

    ``rename`` would decide all that is undecidable, if it is right; None if nothing would.
    """

    def __init__(self, decision: Decision, refused: Sequence[Match], rename: Mapping[Any, Any] | None = None) -> None:
        self.decision, self.refused, self.rename = decision, tuple(refused), rename
        super().__init__(decision, refused, rename)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the variables that were refused."""
        return tuple(match.target.name for match in self.refused)

    def __str__(self) -> str:
        parts = [
            _section(outcome, [m for m in self.refused if m.outcome is outcome], self.rename) for outcome in _REMEDIES
        ]
        if any(match.target.group == "optimizer" for match in self.refused):
            parts.append("To restore the weights without the state of the optimizer: optimizer=False.")
        return "\n".join(part for part in parts if part) + "\nNothing was changed."


class CollisionError(RefusedError):
    """Two tensors are renamed to one variable."""


class MismatchError(RefusedError):
    """A tensor has another shape, or a dtype that does not convert."""


class AmbiguousError(RefusedError):
    """A variable for which the names do not decide."""


class MissingError(RefusedError):
    """With ``strict=True``: a selected variable that the checkpoint lacks."""


class NothingLoadedError(RestoreError):
    """The call would have loaded nothing."""

    def __init__(self, decision: Decision, selected: Sequence[str], tensors: Sequence[str]) -> None:
        self.decision, self.selected, self.tensors = decision, tuple(selected), tuple(tensors)
        super().__init__(decision, selected, tensors)

    def __str__(self) -> str:
        if not self.selected:
            return "no variable is selected, so nothing would be loaded; nothing was changed"
        return (
            f"none of the {len(self.tensors)} tensors of the checkpoint belongs to one of the {len(self.selected)} selected "
            f"variables. In the checkpoint:\n{listing(self.tensors, 10)}\nIn the model:\n{listing(self.selected, 10)}\n"
            'If they are the same under other names, say so: rename={"old/": "new/"}.'
        )


class CastError(RestoreError):
    """Values that their variable's dtype cannot hold; ``values`` are (variable, what happened)."""

    def __init__(self, path: object, values: Sequence[tuple[str, str]]) -> None:
        self.path, self.values = path, tuple(values)
        super().__init__(path, values)

    def __str__(self) -> str:
        return (
            f"{len(self.values)} variables cannot hold their values in {self.path!r}:\n"
            + listing([f"{name}: {what}" for name, what in self.values])
            + "\nNothing was changed. Exclude them, or give the model a wider dtype."
        )


class InitializerError(RestoreError):
    """Variables whose initializer is unknown or failed; ``variables`` are (name, why)."""

    def __init__(self, variables: Sequence[tuple[str, str]]) -> None:
        self.variables = tuple(variables)
        super().__init__(variables)

    def __str__(self) -> str:
        return (
            f"{len(self.variables)} variables cannot be initialized anew:\n"
            + listing([f"{name}: {why}" for name, why in self.variables])
            + '\nNothing was changed. Give one: initialize={"pattern": initializer}, or leave them: initialize="keep".'
        )


class PartialRestoreError(RestoreError):
    """Reading or assigning failed when variables were being or had been changed; ``changed`` are their names."""

    def __init__(self, path: object, changed: Sequence[str], detail: str) -> None:
        self.path, self.changed, self.detail = path, tuple(changed), detail
        super().__init__(path, changed, detail)

    def __str__(self) -> str:
        return (
            f"the restore from {self.path!r} broke off: {self.detail}\n{len(self.changed)} variables had been changed:\n"
            + listing(self.changed)
        )


_REMEDIES = {
    Outcome.COLLIDED: 'Rename or drop all but one: rename={"old": None}.',
    Outcome.MISMATCHED: 'Leave them as they are: exclude=[{names}], or on_mismatch="initialize".',
    Outcome.UNCASTABLE: "Leave them as they are: exclude=[{names}], or change the dtype of the model.",
    Outcome.AMBIGUOUS: "Name the layers, leave them as they are (exclude=[{names}]), or say which is which{rename}",
    Outcome.MISSING: "Leave them out: exclude=[{names}], or strict=False.",
}

_LEAVES = {
    Outcome.COLLIDED: CollisionError,
    Outcome.MISMATCHED: MismatchError,
    Outcome.UNCASTABLE: MismatchError,
    Outcome.AMBIGUOUS: AmbiguousError,
    Outcome.MISSING: MissingError,
}


def refusal(decision: Decision, refused: Sequence[Match], rename: Mapping[Any, Any] | None = None) -> RefusedError:
    """Return the error for the first kind of trouble, with all offenders of all kinds in it."""
    first = next(outcome for outcome in _LEAVES if any(match.outcome is outcome for match in refused))
    return _LEAVES[first](decision, refused, rename)


def _section(outcome: Outcome, matches: Sequence[Match], rename: Mapping[Any, Any] | None) -> str:
    if not matches:
        return ""
    names = ", ".join(repr(match.target.name) for match in matches[:20]) + (", …" if len(matches) > 20 else "")
    advised = f", after a look:\n  rename={rename}" if rename else " with rename."
    remedy = _REMEDIES[outcome].replace("{names}", names).replace("{rename}", advised)
    return f"{len(matches)} variables: {outcome.value}\n{listing([_line(match) for match in matches])}\n{remedy}"


def _line(match: Match) -> str:
    source = f" ← {match.source.name}" if match.source else ""
    candidates = f" (candidates: {', '.join(map(_shown, match.candidates))})" if match.candidates else ""
    return f"{match.target.name}{source}: {match.reason}{candidates}"


def _shown(entry: Entry) -> str:
    return entry.name
