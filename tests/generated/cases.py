"""A case: a model, a format, edits. It is saved, edited and restored, and every variable held against its origin."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import partial_restore as pr
from generated.edits import edited, freeze, share
from generated.files import FORMATS, OF_FAMILY, contents, is_writable
from generated.models import Built, Owner, built, compiled, kit_of, raw, state_owners
from generated.oracle import Side, certain, unseen
from generated.specs import Draw, Layer, is_possible, shown
from partial_restore._targets import open_target

Values = dict[Owner, np.ndarray[Any, Any]]


@dataclass(frozen=True, slots=True)
class Case:
    """All of a case as data; the same seed gives the same case."""

    seed: int
    saved: Layer
    edited: Layer
    edits: tuple[str, ...]
    form: str
    is_compiled: bool
    is_compiled_later: bool
    starts_anew: bool
    ahead: int
    optimizer: str = "Adam"
    with_state: bool = False
    family: str = "keras"
    family_later: str = "keras"

    def __str__(self) -> str:
        flags = [
            flag for flag in ("is_compiled", "is_compiled_later", "starts_anew", "with_state") if getattr(self, flag)
        ]
        return (
            f"seed {self.seed}: {self.form}, {self.family} to {self.family_later}, edits {', '.join(self.edits) or 'none'} {' '.join(flags)}\n"
            f"saved\n{shown(self.saved, 1)}\nedited\n{shown(self.edited, 1)}"
        )


def case_of(seed: int) -> Case:
    draw = Draw(seed)
    saved = draw.model()
    while not is_possible(saved):
        saved = draw.model()
    if seed % 10 == 9:  # Some have shared or frozen layers before they are saved.
        saved, _ = edited(draw, saved, 2, (freeze, share))
    after, edits = edited(draw, saved, draw.chance.choice([0, 1, 1, 1, 2, 2, 3]))
    is_compiled = draw.chance.random() < 0.5
    chance = draw.chance
    family, family_later = chance.choice(_FAMILIES) if draw.is_rich else _FAMILIES[0]
    form = chance.choice([form for form in OF_FAMILY[family] if is_writable(form, saved, is_compiled=is_compiled)])
    is_compiled_later = chance.random() < (0.6 if draw.is_rich else 0.3)
    case = Case(
        seed, saved, after, edits, form, is_compiled, is_compiled_later,
        starts_anew=chance.random() < 0.3, ahead=chance.choice([0, 0, 1, 2]), family=family, family_later=family_later,
    )  # fmt: skip
    if not draw.is_rich or not is_compiled or "tf_keras" in (family, family_later):
        return case
    optimizer = chance.choice(["Adam", "Adam", "SGD", "RMSprop"])
    return replace(case, optimizer=optimizer, with_state=chance.random() < 0.7 and is_compiled_later)


_FAMILIES = [("keras", "keras")] * 4 + [("tf_keras", "tf_keras"), ("tf_keras", "keras"), ("keras", "tf_keras")]


@dataclass(frozen=True, slots=True)
class Saved:
    """A case that was saved: what its variables held, and which of the values are in the file."""

    case: Case
    side: Side
    checkpoint: Any
    values: Values
    held: set[bytes]


def save(case: Case, folder: Path) -> Saved:
    """Build and save the model of a case, among names that other models took before."""
    forget(case.family)
    for _ in range(case.ahead):
        kit_of(case.family).layers.Dense(1)
    made = built(case.saved, case.family)
    if case.is_compiled:
        compiled(made, case.optimizer)
    values = held(made, with_state=case.with_state)
    with quiet():
        checkpoint = FORMATS[case.form](made.model, folder)
    known = contents(checkpoint)
    if case.form == "live":
        known |= {value.tobytes() for value in values.values()}
    return Saved(case, _side(made, case.form, case.family), checkpoint, values, known)


def rebuild(saved: Saved) -> Built:
    """Build the edited model as a user would, later in the process or in another one."""
    if saved.case.starts_anew:
        forget(saved.case.family_later)
    made = built(saved.case.edited, saved.case.family_later)
    if saved.case.is_compiled_later:
        compiled(made, saved.case.optimizer)
    return made


def forget(family: str) -> None:
    """Let a family of Keras number its names anew."""
    if family == "keras":
        kit_of(family).utils.clear_session(free_memory=False)
    else:
        kit_of(family).backend.clear_session()


def held(made: Built, *, with_state: bool = False) -> Values:
    owners = made.owners | state_owners(made) if with_state and getattr(made.model, "optimizer", None) else made.owners
    return {owner: variable.numpy() for owner, variable in owners.items()}


def state_of(made: Built) -> list[bytes]:
    """Return what all variables of the model and of its optimizer hold."""
    optimizer = getattr(made.model, "optimizer", None)
    return [each.numpy().tobytes() for each in (*made.owners.values(), *(optimizer.variables if optimizer else ()))]


def _side(made: Built, form: str, family: str) -> Side:
    """Return what a file of this format, written by this family, may know of a model."""
    shapes = {owner: tuple(variable.shape) for owner, variable in made.owners.items()}
    return Side(made.spec, shapes, form, family)


@contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the variables: how many of each class, and a line on each that should not be.

    ``right``, ``wrong``, ``unseen`` (see the oracle), ``changed`` (to a value of no variable that was saved), ``missed``
    (a right value is in the file), ``missed certain`` (and the names are all given), ``fresh`` (rightly left alone).
    """

    case: Case
    counts: Counter[str]
    defects: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([str(self.case), *self.defects])


def judge(saved: Saved, made: Built, before: Values, after: Values, told: Mapping[Owner, str] | None = None) -> Verdict:
    """Hold every variable against its true origin."""
    side = _side(made, saved.case.form, saved.case.family)
    excused = unseen(saved.side, side)
    is_keras_3 = saved.case.family == saved.case.family_later == "keras"
    sure = certain(saved.side, side) if is_keras_3 else ()
    origins = {value.tobytes(): owner for owner, value in saved.values.items()}
    counts: Counter[str] = Counter()
    defects: list[str] = []
    for owner, value in after.items():
        origin = saved.values.get(owner)
        has_right = origin is not None and origin.shape == value.shape and origin.tobytes() in saved.held
        counts["had"] += has_right
        found = origins.get(value.tobytes())
        is_state = "/" in owner[1]
        is_sure = has_right and owner[0] in sure and not is_state
        if value.tobytes() == before[owner].tobytes():
            verdict = "missed certain" if is_sure else "missed" if has_right else "fresh"
        elif found is None:
            verdict = "changed"
        elif found == owner:
            verdict = "right"
        else:
            verdict = "unseen" if found[0] in excused.get(owner[0], ()) and found[1] == owner[1] else "wrong"
        reason = (told or {}).get(owner, "")
        if verdict.startswith("missed"):
            counts[f"{verdict}: {reason or 'untold'}"] += 1
        counts[f"state {verdict}" if is_state else verdict] += 1
        if verdict in ("wrong", "changed", "missed certain"):
            defects.append(f"{verdict}: {owner} holds {found}; told: {reason}")
    return Verdict(saved.case, counts, tuple(defects))


def ours(saved: Saved, made: Built) -> Verdict:
    """Restore with `restore_subset`, leaving out what it refuses, and judge."""
    with_state = saved.case.with_state
    before, state = held(made, with_state=with_state), state_of(made)
    counts: Counter[str] = Counter()
    defects: list[str] = []
    exclude: list[str] = []
    told: dict[str, str] = {}
    for _ in range(2):
        try:
            with quiet():
                report = pr.restore_subset(
                    made.model,
                    saved.checkpoint,
                    exclude=exclude or None,
                    on_mismatch="initialize",
                    optimizer=with_state,
                )
            told = {i.variable.key: i.reason for i in (*report.loaded, *report.initialized)} | told
            break
        except pr.AmbiguousError as error:
            told |= {m.target.key: "undecidable" for m in error.refused}
            counts["refused"] += 1
            if exclude:
                defects.append(f"refused again: {error}")
            exclude = list(error.names)
        except pr.NothingLoadedError as error:
            told |= {m.target.key: m.reason for m in error.decision.matches if m.target.key not in told}
            counts["nothing"] += 1
            defects += ["changed, though nothing was loaded"] if state_of(made) != state else []
            break
        except pr.RestoreError as error:
            defects.append(f"refused: {type(error).__name__}: {error}")
            break
        except Exception as error:  # noqa: BLE001  Whatever it is, it is a defect.
            defects.append(f"crashed: {type(error).__name__}: {error}")
            break
        defects += ["changed after an error"] if state_of(made) != state else []
    keys = {id(variable): key for key, variable in open_target(made.model, None).variables.items()}
    reasons = {owner: told.get(keys.get(id(raw(variable)), ""), "?") for owner, variable in made.owners.items()}
    verdict = judge(saved, made, before, held(made, with_state=with_state), reasons)
    return Verdict(saved.case, verdict.counts + counts, (*defects, *verdict.defects))
