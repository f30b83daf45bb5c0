"""A restore that is decided and not carried out yet: it shows itself, refuses what is wrong, or does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from partial_restore._advised import advised_rename
from partial_restore._apply import carry_out
from partial_restore._eager import initial_value
from partial_restore._errors import InitializerError, NothingLoadedError, StalePlanError, refusal
from partial_restore._pause import collection_paused
from partial_restore._plan import Request, decide
from partial_restore._report import Report, report_of
from partial_restore._select import compile_patterns
from partial_restore._sources import Source, open_source
from partial_restore._sources._files import stamps_of
from partial_restore._targets import Target
from partial_restore._types import Decision, Entry, Layout, Match, Outcome

Initialize = Literal["keep", "rerun"] | Mapping[Any, Any]
"""``"keep"``, ``"rerun"``, or a mapping pattern → Keras initializer, name of one, or callable ``(shape, dtype)``."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What to do with the decision, as the caller asked."""

    strict: bool
    on_mismatch: Literal["error", "initialize"]
    initialize: Initialize
    verify: bool
    max_memory: int
    progress: bool


class Plan:
    """What a restore would do: decided in full, nothing read, nothing changed.

    Printing it shows the whole picture, troubles included; `apply` refuses them, or carries the plan out.
    """

    def __init__(
        self,
        target: Target,
        source: Source,
        request: Request,
        decision: Decision,
        policy: Policy,
        reopened: Callable[[Layout], Target],
    ) -> None:
        self._target, self._source, self._policy = target, source, policy
        self._request, self._decision, self._reopened = request, decision, reopened

    @property
    def report(self) -> Report:
        """The report that `apply` would return, with the troubles for which it would refuse as reasons."""
        return report_of(self._source.path, self._decision, {})

    @property
    def assignment_map(self) -> dict[str, Any]:
        """Checkpoint key → TensorFlow variable, as `tf.compat.v1.train.Saver` and `init_from_checkpoint` take it.

        Raises:
            ValueError: A tensor goes to several variables, which the map cannot say.
        """
        variables = self._target.variables
        pairs = [(match.source.key, variables[match.target.key]) for match in self._loaded if match.source]
        if len(dict(pairs)) < len(pairs):
            raise ValueError(
                "a tensor is restored into several variables; an assignment map has one variable per tensor"
            )
        return dict(pairs)

    def apply(self) -> Report:
        """Restore, and return what was done.

        Raises:
            RestoreError: See `restore_subset`.
            StalePlanError: The model or the file has changed since, so that the plan would be another one.
        """
        with collection_paused():
            self._renew()
        return self._carry_out()

    def _carry_out(self) -> Report:
        """Restore what was planned just now, and return what was done."""
        _refuse(self._decision, self._policy, self._source.entries, self._request)
        rest = [
            match.target
            for match in self._decision.matches
            if match.outcome is not Outcome.LOADED and match.target.group == "model"
        ]
        rerun = [entry.key for entry in rest] if self._policy.initialize == "rerun" else []
        initial = _initial_values(self._target, rest, rerun, self._policy.initialize)
        ran = carry_out(
            self._target,
            self._source,
            self._loaded,
            initial,
            rerun,
            max_memory=self._policy.max_memory,
            verify=self._policy.verify,
            progress=self._policy.progress,
        )
        how = {key: "initialized anew" for key, _ in initial} | dict.fromkeys(ran, "its initializer was run")
        with collection_paused():
            return report_of(self._source.path, self._decision, how)

    def _renew(self) -> None:
        """Take the model and the file as they are now, and refuse the plan if with these it is another one."""
        is_saved_anew = stamps_of(self._source.stamps) != self._source.stamps
        source = open_source(self._source.path) if is_saved_anew else self._source
        target = self._reopened(source.layout)
        has_same = _ids(target.variables).items() >= _ids(self._target.variables).items()
        if is_saved_anew or target.entries != self._target.entries:
            decision = decide(target.entries, source.entries, self._request)
            if source.layout != self._source.layout or _pairs(decision) != _pairs(self._decision):
                what = "the checkpoint was saved anew" if is_saved_anew else "the model has changed"
                raise StalePlanError(source.path, f"{what} since, and would be restored otherwise")
            self._source, self._decision = source, decision
        if not has_same:
            raise StalePlanError(source.path, "the model has other variables now")
        self._target = target

    @property
    def _loaded(self) -> list[Match]:
        return self._decision.of(Outcome.LOADED)

    def __str__(self) -> str:
        return f"would restore: {self.report}"

    def __repr__(self) -> str:
        return f"<Plan of {self._source.path!r}: {len(self._loaded)} of {len(self._decision.matches)} variables>"


def _ids(variables: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return which variables there are, by key; one in parts is a list of these."""
    return {key: tuple(map(id, each if isinstance(each, list) else [each])) for key, each in variables.items()}


def _pairs(decision: Decision) -> list[tuple[str, Outcome, str | None]]:
    """Return what becomes of each variable, and of which tensor."""
    return [(each.target.key, each.outcome, each.source.key if each.source else None) for each in decision.matches]


def _refuse(decision: Decision, policy: Policy, sources: Sequence[Entry], request: Request) -> None:
    """Raise for a plan that cannot be carried out: all offenders in one error."""
    refused = [Outcome.COLLIDED, Outcome.UNCASTABLE, Outcome.AMBIGUOUS]
    refused += [Outcome.MISMATCHED] * (policy.on_mismatch == "error") + [Outcome.MISSING] * policy.strict
    offenders = decision.of(*refused)
    if offenders:
        raise refusal(decision, offenders, advised_rename(decision, sources, request))
    if not any(match.target.group == "model" for match in decision.of(Outcome.LOADED)):
        matches = [match for match in decision.matches if match.target.group == "model"]
        selected = [match.target.name for match in matches if match.outcome is not Outcome.UNSELECTED]
        tensors = [skip.source.name for skip in decision.skipped if skip.source.group == "model"]
        raise NothingLoadedError(decision, selected, tensors)


def _initial_values(
    target: Target, rest: Sequence[Entry], rerun: Sequence[str], initialize: Initialize
) -> list[tuple[str, Any]]:
    """Return new values for the variables that are not loaded, made before anything changes."""
    values, failed = target.initial_values(rerun)
    if isinstance(initialize, Mapping):
        tests = compile_patterns(initialize, target.stands_for, {entry.name for entry in target.entries})
        for entry in rest:
            spec = next(
                (spec for test, spec in zip(tests, initialize.values(), strict=True) if test.accepts(entry)), None
            )
            if spec is not None:
                try:
                    values.append((entry.key, initial_value(spec, entry)))
                except Exception as error:  # noqa: BLE001  A caller's initializer may fail in any way.
                    failed.append((entry.name, f"{type(error).__name__}: {error}"))
    if failed:
        raise InitializerError(failed)
    return values
