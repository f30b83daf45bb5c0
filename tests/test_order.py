"""Whose state stands where in a numbered list, as a table: no file, no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partial_restore._lists import states_of_list
from partial_restore._order import Shape, Weights, may_train, owners_of

K, B, G = (4, 4), (4,), (3, 4)


def weights(layers: Mapping[str, Sequence[Shape]], told: Mapping[str, bool] | None = None) -> Weights:
    shapes = {f"{path}/vars/{i}": shape for path, own in layers.items() for i, shape in enumerate(own)}
    groups = {key: tuple(key.split("/")[:-2]) for key in shapes}
    return Weights(shapes, groups, {tuple(path.split("/")): trained for path, trained in (told or {}).items()})


def trained(held: Weights, runs: Sequence[Shape]) -> list[str] | None:
    """The layers of the variables in their order, if there is one way to read it."""
    found = owners_of(held, runs)
    return (
        [key.removeprefix("layers/").replace("/vars", "") for key in found.pop()] if found and len(found) == 1 else None
    )


TWO = weights({"layers/dense": (K, B), "layers/dense_1": (K, B)})
STATISTICS = weights({"layers/dense": (K, B), "layers/batch_normalization": (B, B, B, B)})
ALIKE = weights({"layers/dense": (K, B), "layers/layer_normalization": (B, B), "layers/dense_1": (K, B)})
ATTRIBUTES = weights({"enc": (K, B), "dec": (G, B), "own": ()})
HEADS = {f"layers/multi_head_attention/{name}": (G, B) for name in ("query_dense", "key_dense", "value_dense")}

CASES: dict[str, tuple[Weights, Sequence[Shape], list[str] | None]] = {
    "all of a class in the order of their numbers": (
        TWO,
        [K, B, K, B],
        ["dense/0", "dense/1", "dense_1/0", "dense_1/1"],
    ),
    "one of two was frozen": (TWO, [K, B], None),
    "one of two was frozen, as the file tells": (
        weights({"layers/dense": (K, B), "layers/dense_1": (K, B)}, {"layers/dense": False, "layers/dense_1": True}),
        [K, B],
        ["dense_1/0", "dense_1/1"],
    ),
    "the order is told": (
        weights({"layers/dense": (K, B), "layers/dense_1": (K, B)}, {"layers/dense_1": True, "layers/dense": True}),
        [K, B, K, B],
        ["dense_1/0", "dense_1/1", "dense/0", "dense/1"],
    ),
    "what is told contradicts the list": (
        weights({"layers/dense": (K, B)}, {"layers/dense": False}),
        [K, B],
        None,
    ),
    "statistics are not trained": (
        STATISTICS,
        [K, B, B, B],
        ["dense/0", "dense/1", "batch_normalization/0", "batch_normalization/1"],
    ),
    "or stand before": (
        STATISTICS,
        [B, B, K, B],
        ["batch_normalization/0", "batch_normalization/1", "dense/0", "dense/1"],
    ),
    "between layers of other classes anything may stand": (
        ALIKE,
        [K, B, B, B, K, B],
        ["dense/0", "dense/1", "layer_normalization/0", "layer_normalization/1", "dense_1/0", "dense_1/1"],
    ),
    "a shape tells": (ATTRIBUTES, [G, B, K, B], ["dec/0", "dec/1", "enc/0", "enc/1"]),
    "a bias alone is anyone's": (ATTRIBUTES, [B], None),
    "a kernel alone is not": (ATTRIBUTES, [K], ["enc/0"]),
    "attention has an order of its own": (
        weights(HEADS),
        [G, B] * 3,
        [f"multi_head_attention/{name}/{i}" for name in ("query_dense", "key_dense", "value_dense") for i in (0, 1)],
    ),
    "attributes have none": (weights({"x": (K,), "y": (K,)}), [K, K], None),
    "nor have layers in a list of somebody's own": (
        weights({"blocks/dense": (K,), "blocks/dense_1": (K,)}),
        [K, K],
        None,
    ),
    "what no weight explains": (TWO, [G], None),
    "nothing was trained": (TWO, [], []),
}


@pytest.mark.parametrize(("held", "runs", "expected"), CASES.values(), ids=CASES.keys())
def test_order(held: Weights, runs: Sequence[Shape], expected: list[str] | None) -> None:
    assert trained(held, runs) == expected


def test_too_many_ways_are_no_answer() -> None:
    held = weights({f"layer_{i}/part": (K, B) for i in range(30)})
    assert owners_of(held, [K, B] * 20) is None


LISTS = {
    "adam": (("momentum", "velocity"),),
    "adam, amsgrad": (("momentum", "velocity"), ("velocity_hat",)),
    "nadam": (("momentum", "velocity"),),
    "adadelta": (("accumulated_grad", "accumulated_delta_var"),),
    "ftrl": (("accumulator", "linear"),),
}
AMBIGUOUS = {
    "sgd": (("momentum",),),
    "rmsprop": (("velocity",), ("momentum",)),
    "lion, average": (("average",), ("momentum",)),
}


def listed(blocks: Sequence[Sequence[str]], runs: Sequence[Shape], head: int = 2) -> list[Shape]:
    return [()] * head + [shape for block in blocks for shape in runs for _ in block]


@pytest.mark.parametrize("head", [1, 2])
@pytest.mark.parametrize("case", LISTS)
def test_list_is_read_where_the_class_tells_what_it_holds(case: str, head: int) -> None:
    family = case.partition(",")[0]
    found = states_of_list(listed(LISTS[case], [K, B, K, B], head), TWO, family, ("o",))
    expected = [kind for block in LISTS[case] for _ in range(4) for kind in block]
    second = "" if family == "nadam" else "learning_rate"  # Nadam may keep its product there.
    assert [state.kind for state in found[:head]] == ["iterations", second][:head]
    assert [state.kind for state in found[head:]] == expected
    assert [state.owner for state in found[head : head + 2 * len(LISTS[case][0])] if state.owner is None] == []


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_list_that_might_hold_something_else_is_not_read_without_its_configuration(case: str) -> None:
    family = case.partition(",")[0]
    shapes = listed(AMBIGUOUS[case], [K, B, K, B])
    found = states_of_list(shapes, TWO, family, ())
    assert [state.kind for state in found[:3]] == ["iterations", "learning_rate", ""]
    config = {"momentum": 0.9} if "average" not in case else {"use_ema": True}
    found = states_of_list(shapes, TWO, family, (), config)
    assert [state.kind for state in found[2:]] == [
        kind for block in AMBIGUOUS[case] for _ in range(4) for kind in block
    ]


@pytest.mark.parametrize(
    ("scalars", "config", "kinds"),
    [
        (2, {"learning_rate": {"class_name": "ExponentialDecay"}}, ["iterations", "u_product"]),
        (3, {"learning_rate": 0.1}, ["iterations", "learning_rate", "u_product"]),
        (2, {"learning_rate": 0.1}, ["iterations", ""]),
    ],
)
def test_what_nadam_keeps_once_may_stand_first(scalars: int, config: Mapping[str, object], kinds: list[str]) -> None:
    found = states_of_list(listed(LISTS["nadam"], [K, B, K, B], scalars), TWO, "nadam", (), config)
    assert [state.kind for state in found[:scalars]] == kinds
    assert [state.kind for state in found[scalars:]] == ["momentum", "velocity"] * 4


def test_averages_and_gradients_may_stand_side_by_side() -> None:
    config = {"use_ema": True, "gradient_accumulation_steps": 2}
    blocks = (("average", "gradient_accumulator"), ("momentum", "velocity"))
    found = states_of_list(listed(blocks, [K, B, K, B]), TWO, "adam", (), config)
    assert [state.kind for state in found[2:]] == [kind for block in blocks for _ in range(4) for kind in block]
    found = states_of_list(listed(blocks, [K, K]), weights({"layers/dense": (K,), "layers/dense_1": (K,)}), "adam", ())
    assert [state.kind for state in found] == ["iterations", "learning_rate", *[""] * 8]


def test_variables_that_a_layer_stores_by_names_have_no_order() -> None:
    held = Weights(
        {f"scale/vars/{each}": B for each in "ab"}, dict.fromkeys(["scale/vars/a", "scale/vars/b"], ("scale",)), {}
    )
    assert len(owners_of(held, [B, B]) or ()) == 2


@pytest.mark.parametrize(
    ("order", "may"), [("abc", True), ("bca", True), ("acb", True), ("bac", False), ("cab", False)]
)
def test_layers_within_a_layer_are_trained_one_after_the_other(order: str, *, may: bool) -> None:
    groups = {"a": ("first",), "b": ("second", "one"), "c": ("second", "two")}
    assert may_train(groups, list(order)) is may


def test_what_is_frozen_among_many_layers_is_passed_over() -> None:
    layers = [
        (f"layers/{kind}_{i}", f"layers/{kind}_{i}/vars/{n}") for i in range(40) for kind in "abcde" for n in "01"
    ]
    groups = {key: tuple(layer.split("/")) for layer, key in layers}
    trained = [
        key for key in groups if not key.startswith(("layers/a_3", "layers/c")) and not key.endswith("e_5/vars/0")
    ]
    assert may_train(groups, trained)
    assert not may_train(groups, [*trained[1:], trained[0]])


def test_a_variable_that_is_not_stored_is_in_no_order() -> None:
    assert not may_train({"a": ("first",)}, ["a", "b"])


@given(st.lists(st.tuples(st.sampled_from([K, G, B]), st.booleans()), min_size=1, max_size=6), st.booleans())
def test_what_is_read_is_what_was_written(layers: list[tuple[Shape, bool]], is_told: bool) -> None:
    names = [f"layers/dense_{i}" if i else "layers/dense" for i in range(len(layers))]
    told = {name: trained for name, (_, trained) in zip(names, layers, strict=True)}
    held = weights(
        {name: (shape, B) for name, (shape, _) in zip(names, layers, strict=True)}, told if is_told else None
    )
    runs = [each for shape, trained in layers if trained for each in (shape, B)]
    truth = tuple(
        f"{name}/vars/{i}" for name, (_, trained) in zip(names, layers, strict=True) if trained for i in (0, 1)
    )
    found = owners_of(held, runs)
    if is_told or (found is not None and len(found) == 1):
        assert found == {truth}
