"""Names of the variables in object graphs as Keras and TensorFlow record them."""

from __future__ import annotations

import pytest

from partial_restore._names import Names, names_of_graph
from partial_restore._nodes import Node
from partial_restore._optimizers import states_of_keys


class Graph:
    """Builds nodes from paths: the last segment of each is a variable with a full name."""

    def __init__(self, paths: dict[str, str], labels: dict[str, str] | None = None) -> None:
        self.children: list[list[tuple[str, int]]] = [[]]
        self.full_names: dict[int, str] = {}
        self.labels: dict[int, str] = {}
        self.places: dict[str, int] = {"": 0}
        for path, full_name in paths.items():
            self.full_names[self.add(path)] = full_name
        for path, label in (labels or {}).items():
            self.labels[self.add(path)] = label

    def add(self, path: str) -> int:
        if path not in self.places:
            parent, _, segment = path.rpartition("/")
            home = self.add(parent)
            self.places[path] = len(self.children)
            self.children.append([])
            self.children[home].append((segment, self.places[path]))
        return self.places[path]

    def found(self, *, unnamed: bool = False) -> dict[str, Names]:
        nodes = [Node(children, self.full_names.get(i), self.labels.get(i)) for i, children in enumerate(self.children)]
        found = names_of_graph(nodes, list(self.full_names), unnamed=unnamed)
        return {path: found[place] for path, place in self.places.items() if place in found}

    def names(self) -> dict[str, tuple[list[str], list[str], str]]:
        return {
            path: ([n.text for n in names.paths], [n.text for n in names.given], names.group)
            for path, names in self.found().items()
        }


def test_attributes_stand_as_they_are_and_tell_all() -> None:
    names = Graph({"enc/l1/w": "w"}).names()
    assert names == {"enc/l1/w": (["enc/l1/w"], [], "model")}


def test_only_an_underline_is_left_out() -> None:
    names = Graph({"aw": "w", "bw": "w", "_kernel": "kernel", "_other": "kernel"}).names()
    assert [paths for paths, _, _ in names.values()] == [["aw"], ["bw"], ["kernel"], ["_other"]]


def test_layer_lists_are_read_by_the_names_of_the_layers() -> None:
    names = Graph(
        {"_functional/_operations/1/_kernel": "seq/b0/kernel", "_functional/_operations/1/bias": "seq/b0/bias"}
    ).names()
    assert names["_functional/_operations/1/_kernel"] == (["b0/kernel"], ["seq/b0/kernel"], "model")


def test_layer_lists_of_tf_keras_are_read_too() -> None:
    names = Graph({"layer_with_weights-0/kernel": "b0/kernel", "layer-1/kernel": "b0/kernel"}).names()
    assert names["layer_with_weights-0/kernel"][0] == ["b0/kernel"]


def test_nested_layers_take_a_segment_each() -> None:
    names = Graph({"_operations/2/forward_layer/cell/kernel": "bi/forward_lstm/lstm_cell/kernel"}).names()
    assert names["_operations/2/forward_layer/cell/kernel"][0] == ["bi/forward_layer/cell/kernel"]


def test_a_nested_model_without_a_name_is_a_place() -> None:
    names = Graph({"_operations/3/_operations/1/_kernel": "a/kernel"}).names()
    assert names["_operations/3/_operations/1/_kernel"][0] == ["1 of 1/a/kernel"]


def test_a_layer_without_build_is_read_by_its_scope() -> None:
    names = Graph(
        {
            f"_operations/{i}/{part}/_kernel": f"seq/{name}/kernel"
            for i, name in ((1, "enc"), (2, "dec"))
            for part in "ab"
        }
    ).names()
    assert [paths for paths, _, _ in names.values()] == [
        ["enc/a/kernel"],
        ["enc/b/kernel"],
        ["dec/a/kernel"],
        ["dec/b/kernel"],
    ]


def test_an_inner_model_is_not_read_by_the_name_of_its_layer() -> None:
    names = Graph(
        {"_operations/1/_kernel": "dense/kernel", "_operations/2/_operations/1/_kernel": "dense_1/kernel"}
    ).names()
    assert [paths for paths, _, _ in names.values()] == [["dense/kernel"], ["2 of 2/dense_1/kernel"]]


def test_two_nested_models_may_have_layers_of_one_name() -> None:
    names = Graph({f"{m}/_operations/1/_kernel": "a/kernel" for m in ("m1", "m2")}).names()
    assert [paths for paths, _, _ in names.values()] == [["m1/a/kernel"], ["m2/a/kernel"]]


def test_a_layer_that_is_an_attribute_as_well_keeps_its_name() -> None:
    graph = Graph({"_operations/1/_kernel": "dense/kernel", "_operations/2/_kernel": "dense_1/kernel"})
    graph.children[0].append(("first", graph.places["_operations/1"]))
    names = graph.names()
    assert names["_operations/1/_kernel"][0] == ["first/kernel", "dense/kernel"]


def test_a_full_name_that_lost_the_layer_tells_nothing() -> None:
    names = Graph(
        {
            "enc/_operations/1/_kernel": "net/kernel",
            "enc/_operations/2/_kernel": "net/kernel",
            "l/_kernel": "net/kernel",
        }
    ).names()
    assert names["enc/_operations/1/_kernel"] == (["enc/1 of 2/kernel"], [], "model")
    assert names["l/_kernel"] == (["l/kernel"], [], "model")


def scoped(*full_names: tuple[str, str]) -> list[list[str]]:
    """Return what the two variables of each block of a list are called by its scope."""
    paths = {
        f"blocks/{i}/{part}/w": name
        for i, names in enumerate(full_names)
        for part, name in zip("qv", names, strict=True)
    }
    return [[name.text for name in names.scoped] for names in Graph(paths).found().values()]


@pytest.mark.parametrize(
    ("full_names", "expected"),
    [
        ([("net/a/linear/w",) * 2, ("net/b/linear/w",) * 2], ["net/a/q/w", "net/a/v/w", "net/b/q/w", "net/b/v/w"]),
        ([("net/a/w",) * 2, ("net/b/w",) * 2], ["net/a/q/w", "net/a/v/w", "net/b/q/w", "net/b/v/w"]),
        ([("a/q1/w", "a/v1/w"), ("b/q1/w", "b/v1/w")], ["a/q/w", "a/v/w", "b/q/w", "b/v/w"]),
        ([("net/a/w",) * 2, ("net/a/w",) * 2], ["", "", "", ""]),  # No block has a scope to itself,
        (
            [("net/a/w",) * 2, ("net/a/w",) * 2, ("net/b/w",) * 2],
            ["", "", "", "", "net/b/q/w", "net/b/v/w"],
        ),  # or one has.
        (
            [("net/a/w",) * 2, ("net/w",) * 2],
            ["", "", "", ""],
        ),  # One lost its scope: that of the other may be of a layer in it.
        ([("net/a/w", "net/c/w"), ("net/b/w",) * 2], ["", "", "", ""]),  # What a block holds has no scope in common.
        ([("net/dense/w",) * 2, ("net/dense_1/w",) * 2], ["", "", "", ""]),  # Keras made these up.
        ([("net/a/w",) * 2], ["", ""]),  # One block alone: its scope may be that of the list.
    ],
)
def test_blocks_of_a_list_are_called_by_their_scopes(full_names: list[tuple[str, str]], expected: list[str]) -> None:
    assert [names[0] if names else "" for names in scoped(*full_names)] == expected


@pytest.mark.parametrize(
    ("full_names", "expected", "labels"),
    [
        (["net/key", "net/query"], ["params/key", "params/query"], [("key", 1), ("query", 1)]),
        (["enc/w", "dec/w"], ["params/enc/w", "params/dec/w"], [("enc/w", 1), ("dec/w", 1)]),
        (["net/w", "net/w"], ["", ""], [("w", 2), ("w", 2)]),
        (["w_0", "w_1", "b"], ["", "", "params/b"], [("w", 2), ("w", 2), ("b", 1)]),  # Numbers are places.
        (["ema_dense_3_kernel", "b"], ["", "params/b"], [("ema_dense_kernel", 1), ("b", 1)]),
        (["", "b"], ["", "params/b"], [("", 1), ("b", 1)]),  # It has no name.
        (["Variable", "b"], ["", "params/b"], [("Variable", 1), ("b", 1)]),
        (["dec/w"], [""], [("w", 1)]),  # Of one alone the scope may be its own, or that of the list.
    ],
)
def test_variables_that_a_list_holds_are_called_by_their_names(
    full_names: list[str], expected: list[str], labels: list[tuple[str, int]]
) -> None:
    found = Graph({f"params/{i}": name for i, name in enumerate(full_names)}).found().values()
    assert [names.scoped[0].text if names.scoped else "" for names in found] == expected
    assert [names.blocks for names in found] == [((1, *label),) for label in labels]


def test_the_real_name_of_a_layer_is_shown_and_what_a_file_would_tell_is_kept() -> None:
    names = Graph(
        {"_operations/1/_operations/1/_kernel": "a/kernel"},
        {"_operations/1": "mid", "_operations/1/_operations/1": "a"},
    )
    kernel = "_operations/1/_operations/1/_kernel"
    assert not names.found()[kernel].lacking
    found = names.found(unnamed=True)[kernel]
    assert [name.text for name in found.paths] == ["mid/a/kernel"]
    assert {name.text for name in found.lacking} == {
        f"{model}/{layer}/kernel" for model in ("mid", "1 of 1") for layer in ("a", "1 of 1")
    }


def test_optimizer_state_bears_the_name_of_its_variable() -> None:
    graph = Graph(
        {
            "_operations/1/_kernel": "seq/b0/kernel",
            "optimizer/_iterations": "adam/iteration",
            "optimizer/_variables/2": "adam/seq_b0_kernel_momentum",
        }
    )
    graph.children[graph.places["optimizer"]].append(("_trainable_variables", len(graph.children)))
    graph.children.append([("0", graph.places["_operations/1/_kernel"])])
    names = graph.names()
    assert names["_operations/1/_kernel"] == (["b0/kernel"], ["seq/b0/kernel"], "model")
    assert names["optimizer/_variables/2"] == (["optimizer/b0/kernel/momentum"], [], "optimizer")
    assert names["optimizer/_iterations"] == (["optimizer/iterations"], [], "optimizer")


def test_weights_that_only_an_optimizer_holds_are_the_models() -> None:
    names = Graph(
        {
            "opt/_iterations": "adam/iteration",
            "opt/_variables/0": "adam/x",
            "opt/_trainable_variables/0": "block/gain",
            "opt/_trainable_variables/1": "net/kernel",
            "opt/_trainable_variables/2": "net/kernel",
        }
    ).names()
    assert names["opt/_trainable_variables/0"] == ([], ["block/gain"], "model")
    assert names["opt/_trainable_variables/1"] == (["opt/_trainable_variables/1"], [], "model")


def test_second_list_of_an_export_is_a_copy() -> None:
    graph = Graph({"variables/0": "seq/b0/kernel", "_all_variables/0": "seq/b0/kernel", "_all_variables/1": "stray"})
    names = graph.names()
    assert names["variables/0"] == ([], ["seq/b0/kernel"], "model")
    assert names["_all_variables/0"][2] == "copy"
    assert names["_all_variables/1"] == ([], ["stray"], "model")


def test_second_list_of_an_export_is_a_copy_of_as_many_of_one_name() -> None:
    lists = {"variables": 2, "_all_variables": 2}
    paths = {f"{name}/{i}": "fc/kernel" for name, count in lists.items() for i in range(count)}
    groups = {path: names.group for path, names in Graph(paths).found().items()}
    assert groups == {path: "copy" if path.startswith("_") else "model" for path in paths}
    more = Graph({**paths, "_all_variables/2": "fc/kernel"}).found()
    assert {names.group for names in more.values()} == {"model"}
    assert more["variables/0"].shared[0].text == "fc/kernel"


def test_shared_nodes_have_all_paths_but_not_exponentially_many() -> None:
    nodes = [Node([("a", i + 1), ("b", i + 1)]) for i in range(30)] + [Node([], full_name="w")]
    names = names_of_graph(nodes, [30])
    assert names[30].paths[0].text == "/".join("a" * 30)
    assert 1 < len(names[30].paths) < 20


def test_cycles_end() -> None:
    nodes = [Node([("root", 0), ("child", 1)]), Node([("parent", 0), ("w", 2)]), Node([], full_name="w")]
    assert [name.text for name in names_of_graph(nodes, [2])[2].paths] == ["child/w"]


def test_slots_of_tensorflow_1_are_optimizer_state_beside_their_variable_only() -> None:
    shapes = {
        "w": [2],
        "w/Adam": [2],
        "w/Momentum": [3],
        "x/Adam": [2],
        "beta1_power": [],
        "Adam": [2],
        "train/w/Adam": [2],
    }
    assert states_of_keys(shapes).keys() == {
        "w/Adam",
        "beta1_power",
        "train/w/Adam",
    }
