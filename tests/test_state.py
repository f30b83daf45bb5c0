"""Where optimizer state goes, as a table: no file, no TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from entries import tensor
from hypothesis import given
from hypothesis import strategies as st

from partial_restore._optimizers import Called, family_of, states_of_keys
from partial_restore._plan import Request, decide
from partial_restore._select import compile_patterns, compile_rename
from partial_restore._types import Entry, Outcome, State

ADAM = ("momentum", "velocity")


def kept(
    variables: Sequence[str],
    kinds: Sequence[str] = ADAM,
    family: str = "adam",
    optimizer: Sequence[str] = ("optimizer",),
    shape: tuple[int, ...] = (2,),
) -> list[Entry]:
    """What an optimizer keeps: each kind for each variable, and its iterations."""
    front = optimizer[0] if optimizer else "?"
    pieces = [(f"{front}/{v}/{kind}", State(kind, family, tuple(optimizer), v)) for v in variables for kind in kinds]
    once = (f"{front}/iterations", State("iterations", family, tuple(optimizer)))
    return [
        tensor(text, shape if state.owner else (), group="optimizer")._replace(state=state)
        for text, state in (*pieces, once)
    ]


def untold(*texts: str, family: str = "adam", shape: tuple[int, ...] = (2,)) -> list[Entry]:
    """State of which the side does not tell whose it is."""
    return [tensor(text, shape, group="optimizer")._replace(state=State("", family, ("optimizer",))) for text in texts]


def model(*names: str) -> list[Entry]:
    return [tensor(name) for name in names]


@dataclass(frozen=True)
class Case:
    """Two sides, what was asked, and for some pieces of state of the model: the tensor, or the outcome."""

    targets: Sequence[Entry]
    sources: Sequence[Entry]
    expected: dict[str, str | Outcome]
    request: Request = field(default_factory=lambda: Request(optimizer=True))


def asked(**options: object) -> Request:
    rename = compile_rename(options.pop("rename", None))
    patterns = {key: compile_patterns(value, lambda _: None) for key, value in options.items()}
    return Request(patterns.get("include"), patterns.get("exclude", ()), rename, optimizer=True)


CASES = {
    "it follows its variable": Case(
        [*model("a", "b"), *kept(["a", "b"])],
        [*model("b", "a"), *kept(["b", "a"])],
        {f"optimizer/{v}/{kind}": f"optimizer/{v}/{kind}" for v in "ab" for kind in ADAM},
    ),
    "also where the variable is renamed": Case(
        [*model("x"), *kept(["x"])],
        [*model("a"), *kept(["a"])],
        {"optimizer/x/momentum": "optimizer/a/momentum", "optimizer/iterations": "optimizer/iterations"},
        asked(rename={"a": "x"}),
    ),
    "a variable that is not in the checkpoint keeps it": Case(
        [*model("a", "new"), *kept(["a", "new"])],
        [*model("a"), *kept(["a"])],
        {"optimizer/new/momentum": Outcome.MISSING, "optimizer/a/momentum": "optimizer/a/momentum"},
    ),
    "a variable that was frozen has none": Case(
        [*model("a", "b"), *kept(["a", "b"])],
        [*model("a", "b"), *kept(["b"])],
        {"optimizer/a/momentum": Outcome.MISSING, "optimizer/b/momentum": "optimizer/b/momentum"},
    ),
    "an excluded variable keeps it": Case(
        [*model("a", "b"), *kept(["a", "b"])],
        [*model("a", "b"), *kept(["a", "b"])],
        {"optimizer/a/momentum": Outcome.UNSELECTED, "optimizer/b/momentum": "optimizer/b/momentum"},
        asked(exclude="a"),
    ),
    "an included variable takes it along": Case(
        [*model("a", "b"), *kept(["a", "b"])],
        [*model("a", "b"), *kept(["a", "b"])],
        {
            "optimizer/a/momentum": "optimizer/a/momentum",
            "optimizer/b/momentum": Outcome.UNSELECTED,
            "optimizer/iterations": Outcome.UNSELECTED,
        },
        asked(include="a"),
    ),
    "another shape": Case(
        [*model("a"), *kept(["a"], shape=(3,))],
        [*model("a"), *kept(["a"])],
        {"optimizer/a/momentum": Outcome.MISMATCHED},
    ),
    "another class": Case(
        [*model("a"), *kept(["a"], ["momentum"], "sgd")],
        [*model("a"), *kept(["a"])],
        {"optimizer/a/momentum": Outcome.MISSING, "optimizer/iterations": Outcome.MISSING},
    ),
    "a class that only a chosen name tells, on both sides": Case(
        [*model("a"), *kept(["a"], optimizer=("optimizer", "mine"))],
        [*model("a"), *kept(["a"], ["m", "v"], "mine")],
        {"optimizer/a/momentum": "optimizer/a/m", "optimizer/iterations": "optimizer/iterations"},
    ),
    "the same name for what keeps other state": Case(
        [*model("a"), *kept(["a"], ["momentum"], "sgd", ("optimizer", "mine"))],
        [*model("a"), *kept(["a"], family="mine")],
        {"optimizer/a/momentum": Outcome.MISSING},
    ),
    "a class of which nothing tells": Case(
        [*model("a"), *kept(["a"])],
        [*model("a"), *kept(["a"], family="")],
        {"optimizer/a/momentum": Outcome.AMBIGUOUS, "optimizer/iterations": Outcome.AMBIGUOUS},
    ),
    "plain SGD keeps nothing of a variable, which tells enough": Case(
        [*model("a"), *kept([], family="sgd")],
        [*model("a"), *kept([], family="")],
        {"optimizer/iterations": "optimizer/iterations"},
    ),
    "state without an owner is undecidable where it would fit": Case(
        [*model("a"), *kept(["a"])],
        [*model("a"), *untold("optimizer/vars/1", "optimizer/vars/2")],
        {"optimizer/a/momentum": Outcome.AMBIGUOUS, "optimizer/iterations": Outcome.MISSING},
    ),
    "state without an owner of another shape or class is none": Case(
        [*model("a"), *kept(["a"])],
        [*model("a"), *untold("optimizer/vars/1", family="sgd"), *untold("optimizer/vars/2", shape=(3,))],
        {"optimizer/a/momentum": Outcome.MISSING},
    ),
    "two optimizers by their names": Case(
        [*model("a", "b"), *kept(["a"], optimizer=("x",)), *kept(["b"], optimizer=("y",))],
        [*model("a", "b"), *kept(["a"], optimizer=("x",)), *kept(["b"], optimizer=("y",))],
        {"x/iterations": "x/iterations", "y/iterations": "y/iterations", "x/a/momentum": "x/a/momentum"},
    ),
    "two optimizers by what they train": Case(
        [*model("a", "b"), *kept(["a"], optimizer=("x",)), *kept(["b"], optimizer=("y",))],
        [*model("a", "b"), *kept(["b"], optimizer=("v",)), *kept(["a"], optimizer=("w",))],
        {"x/iterations": "w/iterations", "y/iterations": "v/iterations", "x/a/momentum": "w/a/momentum"},
    ),
    "two optimizers whose names contradict what they train": Case(
        [*model("a", "b"), *kept(["a"], optimizer=("x",)), *kept(["b"], optimizer=("y",))],
        [*model("a", "b"), *kept(["b"], optimizer=("x",)), *kept(["a"], optimizer=("y",))],
        {"x/iterations": Outcome.AMBIGUOUS, "y/iterations": Outcome.AMBIGUOUS, "x/a/momentum": "y/a/momentum"},
    ),
    "two optimizers that train the same, and nothing else tells": Case(
        [*model("a"), *kept(["a"], optimizer=("x",)), *kept(["a"], optimizer=("y",))],
        [*model("a"), *kept(["a"], optimizer=("v",)), *kept(["a"], optimizer=("w",))],
        {"x/a/momentum": Outcome.AMBIGUOUS, "x/iterations": Outcome.AMBIGUOUS},
    ),
    "one of two is gone, and nothing tells which": Case(
        [*model("a"), *kept(["a"], optimizer=("x",)), *kept(["a"], optimizer=("y",))],
        [*model("a"), *kept(["a"], optimizer=("v",))],
        {"x/a/momentum": Outcome.AMBIGUOUS, "y/a/momentum": Outcome.AMBIGUOUS},
    ),
    "one within another, of two classes": Case(
        [*model("a"), *kept(["a"], optimizer=("o/inner",)), *kept([], family="lossscale", optimizer=("o",))],
        [*model("a"), *kept(["a"], optimizer=("p/inner",)), *kept([], family="lossscale", optimizer=("p",))],
        {"o/iterations": "p/iterations", "o/inner/iterations": "p/inner/iterations"},
    ),
    "a rule says it": Case(
        [*model("a"), *kept(["a"], ["momentum"], "sgd")],
        [*model("a"), *kept(["a"]), tensor("global_step", ())],
        {"optimizer/iterations": "global_step", "optimizer/a/momentum": Outcome.MISSING},
        asked(rename={"global_step": "optimizer/iterations"}),
    ),
    "a rule drops it": Case(
        [*model("a"), *kept(["a"])],
        [*model("a"), *kept(["a"])],
        {"optimizer/a/momentum": Outcome.MISSING, "optimizer/a/velocity": "optimizer/a/velocity"},
        asked(rename={"optimizer/a/momentum": None}),
    ),
    "rules put two on one": Case(
        [*model("a"), *kept(["a"])],
        [*model("a", "s", "t"), *kept(["a"])],
        {"optimizer/iterations": Outcome.COLLIDED},
        asked(rename={"s": "optimizer/iterations", "t": "optimizer/iterations"}),
    ),
    "not asked for": Case(
        [*model("a"), *kept(["a"])],
        [*model("a"), *kept(["a"])],
        {"optimizer/a/momentum": Outcome.UNSELECTED},
        Request(),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_state(case: Case) -> None:
    decision = decide(case.targets, case.sources, case.request)
    found = {match.target.key: match for match in decision.matches}
    for key, expected in case.expected.items():
        match = found[key]
        if isinstance(expected, Outcome):
            assert match.outcome is expected, match
        else:
            assert match.outcome is Outcome.LOADED, match
            assert match.source is not None
            assert match.source.key == expected


@st.composite
def sides(draw: st.DrawFn) -> tuple[list[Entry], list[Entry]]:
    """Two models of some of the same variables, each with up to two optimizers for some of its own."""

    def side(fronts: Sequence[str]) -> list[Entry]:
        names = draw(st.lists(st.sampled_from("abcd"), unique=True, min_size=1))
        entries = model(*names)
        for front in draw(st.lists(st.sampled_from(fronts), unique=True, max_size=2)):
            trained = draw(st.lists(st.sampled_from(names), unique=True))
            family = draw(st.sampled_from(["adam", "sgd", ""]))
            entries += kept(trained, draw(st.sampled_from([ADAM, ["momentum"]])), family, (front,))
        return [*entries, *untold(*draw(st.lists(st.sampled_from("uvw"), unique=True)))]

    return side("xy"), side("xz")


@given(sides())
def test_state_is_never_loaded_without_its_variable_or_as_something_else(both: tuple[list[Entry], list[Entry]]) -> None:
    targets, sources = both
    decision = decide(targets, sources, Request(optimizer=True))
    by_key = {match.target.key: match for match in decision.matches}
    assert len(by_key) == len(targets) == len(decision.matches)
    used = {match.source.key for match in decision.matches if match.source and match.outcome is Outcome.LOADED}
    assert used | {skip.source.key for skip in decision.skipped} == {source.key for source in sources}
    for match in decision.of(Outcome.LOADED):
        ours, theirs = match.target.state, match.source.state if match.source else None
        if ours is None:
            continue
        assert theirs is not None
        assert theirs.kind == ours.kind
        assert theirs.family in (ours.family, "") or not ours.family
        if ours.owner is not None:
            owner = by_key[ours.owner]
            assert owner.outcome is Outcome.LOADED
            assert owner.source is not None
            assert owner.source.key == theirs.owner


@given(sides())
def test_model_weights_are_decided_as_without_the_optimizer(both: tuple[list[Entry], list[Entry]]) -> None:
    asked_for, alone = (decide(*both, Request(optimizer=optimizer)) for optimizer in (True, False))
    for ours, theirs in zip(asked_for.matches, alone.matches, strict=True):
        assert ours == theirs or ours.target.group == "optimizer"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("adam/net_a_kernel_momentum", (1, "momentum", "adam")),
        ("adam/net_a_kernel_velocity_hat", (1, "velocity_hat", "adam")),
        ("scaled/adam_3/net_a_kernel_velocity", (1, "velocity", "adam_3")),
        ("Adam/m/net/a/kernel", (1, "m", "Adam")),
        ("m/net/a/kernel", (1, "m", "")),
        ("training/Adam/net/a/kernel/v", (1, "v", "Adam")),
        ("Adam/kernel/v", (2, "v", "Adam")),
        ("Adam/net/a/kernel/other", None),
        ("adam/b_c_d_momentum", None),  # Of b/c_d or of b_c/d.
        ("adam/other_momentum", None),
        ("adam/iteration", None),
        ("", None),
    ],
)
def test_name_of_state_tells_its_variable_or_nothing(name: str, expected: tuple[int, str, str] | None) -> None:
    called = Called([("net/a/kernel", 1), ("kernel", 2), ("b/c_d", 3), ("b_c/d", 4)])
    read = called.read(name)
    assert (read and (read.owner, read.word, read.optimizer)) == expected


def test_families_are_known_however_they_are_spelled() -> None:
    assert [family_of(name) for name in ("RMSprop", "rm_sprop_2", "RMSProp", "rmsprop")] == ["rmsprop"] * 4
    assert family_of("AdamW") == family_of("adam_1") == family_of("Adam") == family_of("AdamOptimizer") == "adam"
    assert family_of("Momentum") != family_of("SGD")


def test_keys_of_tensorflow_1_tell_what_they_are() -> None:
    shapes = {key: [2] for key in ("w", "w/RMSProp", "w/RMSProp_1", "v", "v/RMSProp", "v/RMSProp_1", "v/RMSProp_2")}
    kinds = {key: state.kind for key, state in states_of_keys(shapes).items()}
    assert kinds == {
        "w/RMSProp": "velocity",
        "w/RMSProp_1": "momentum",
        "v/RMSProp": "velocity",
        "v/RMSProp_1": "average_gradient",
        "v/RMSProp_2": "momentum",
    }


def test_slots_of_a_second_optimizer_go_on_where_the_first_one_s_end() -> None:
    names = {"Adam": 4, "Momentum": 2, "RMSProp": 4}
    keys = [
        "w",
        *(f"w/{name}_{i}".removesuffix("_0") for name, count in names.items() for i in range(count)),
        "w/Ftrl_3",
        "w/Ftrl_01",
        f"w/Adam_{'9' * 5000}",
    ]
    states = states_of_keys(dict.fromkeys(keys, (2,)))
    assert {key: (*state.optimizer, state.kind) for key, state in states.items()} == {
        "w/Adam": ("1 of 2", "momentum"),
        "w/Adam_1": ("1 of 2", "velocity"),
        "w/Adam_2": ("2 of 2", "momentum"),
        "w/Adam_3": ("2 of 2", "velocity"),
        "w/Momentum": ("1 of 2", "momentum"),
        "w/Momentum_1": ("2 of 2", "momentum"),
        "w/RMSProp": ("1 of 2", "velocity"),
        "w/RMSProp_1": ("1 of 2", "momentum"),
        "w/RMSProp_2": ("2 of 2", "velocity"),
        "w/RMSProp_3": ("2 of 2", "momentum"),
    }


def test_slots_of_which_numbers_do_not_tell_what_they_are() -> None:
    """Two optimizers that are centered, or three that are not."""
    keys = ["w", *(f"w/RMSProp_{i}".removesuffix("_0") for i in range(6))]
    states = states_of_keys(dict.fromkeys(keys, (2,)))
    assert {state.kind for state in states.values()} == {""}
    assert len(states) == 6


def test_powers_of_several_optimizers_are_kept_apart() -> None:
    shapes: dict[str, list[int]] = {
        "w": [2],
        "w/Adam": [2],
        "beta1_power": [],
        "gen/beta1_power": [],
        "beta1_power_1": [],
    }
    states = states_of_keys(shapes)
    assert len({state.optimizer for key, state in states.items() if "power" in key}) == 3
    assert {state.family for state in states.values()} == {"adam"}


def test_what_adafactor_keeps_in_place_of_the_averages_of_a_vector_is_left() -> None:
    def side(dtype: str) -> list[Entry]:
        factored = [each._replace(dtype=dtype) for each in kept("b", "rc", "adafactor", shape=())]
        return [*model("b"), *factored, *kept("b", ("velocity",), "adafactor")]

    matches = decide(side("int32"), side("float32"), Request(optimizer=True)).matches
    outcomes = {
        match.target.name: match.outcome for match in matches if match.target.state and match.target.state.owner
    }
    assert outcomes == {
        "optimizer/b/r": Outcome.MISSING,
        "optimizer/b/c": Outcome.MISSING,
        "optimizer/b/velocity": Outcome.LOADED,
    }
