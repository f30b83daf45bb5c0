"""Graphs of TensorFlow 1 with their sessions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import partial_restore as pr
from partial_restore._sources._checkpoint import CheckpointSource

tf1 = tf.compat.v1
SHAPES = {"var_name/wc1": (3, 2), "var_name/wout": (2, 4), "var_name/bout": (4,)}


@pytest.fixture(params=[False, True], ids=["ref", "resource"])
def use_resource(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def session() -> Iterator[tf1.Session]:
    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        yield session


def variables(shapes: dict[str, tuple[int, ...]], *, use_resource: bool = True) -> list[tf.Variable]:
    return [
        tf1.get_variable(name, shape, initializer=tf1.random_normal_initializer(), use_resource=use_resource)
        for name, shape in shapes.items()
    ]


def saved(folder: Path, shapes: dict[str, tuple[int, ...]], **more: Any) -> tuple[str, dict[str, Any]]:
    """Save random values by a Saver; return the prefix and the values."""
    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        held = {v.op.name: v for v in variables(shapes)}
        session.run(tf1.global_variables_initializer())
        return tf1.train.Saver(**more).save(session, str(folder / "ckpt")), session.run(held)


def ops(session: tf1.Session) -> int:
    return len(session.graph.get_operations())


def test_classic_story(tmp_path: Path, session: tf1.Session, *, use_resource: bool) -> None:
    path, values = saved(tmp_path, {**SHAPES, "var_name/wout": (2, 9), "global_step": ()})
    wc1, wout, bout = variables(SHAPES, use_resource=use_resource)
    count = ops(session)
    report = pr.restore_subset(
        tf1.global_variables(), path, exclude=["var_name/wout", "var_name/bout"], session=session
    )
    np.testing.assert_array_equal(session.run(wc1), values["var_name/wc1"])
    assert np.abs(session.run(wout)).sum() > 0
    assert session.run(bout).shape == (4,)
    assert "its initializer was run" in report["var_name/wout"].reason
    assert report["global_step"] in report.skipped
    assert ops(session) == count


def test_other_shape_is_refused(tmp_path: Path, session: tf1.Session, *, use_resource: bool) -> None:
    path, _ = saved(tmp_path, {"a": (3,), "b": (2,)})
    a, b = variables({"a": (5,), "b": (2,)}, use_resource=use_resource)
    session.run(tf1.global_variables_initializer())
    before = session.run([a, b])
    with pytest.raises(pr.MismatchError, match="a ← a"):
        pr.restore_subset(session.graph, path, session=session)
    for ours, theirs in zip(session.run([a, b]), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_only_what_has_no_value_is_initialized(tmp_path: Path, session: tf1.Session, *, use_resource: bool) -> None:
    path, _ = saved(tmp_path, {"a": (2,)})
    _, b, c = variables({"a": (2,), "b": (2,), "c": (2,)}, use_resource=use_resource)
    session.run(b.assign([7, 8]))
    pr.restore_subset(session.graph, path, session=session)
    assert session.run(b).tolist() == [7, 8]
    assert session.run(c).shape == (2,)


def test_initializers_may_be_run_again_or_given(tmp_path: Path, session: tf1.Session, *, use_resource: bool) -> None:
    path, _ = saved(tmp_path, {"a": (2,)})
    _, b, c = variables({"a": (2,), "b": (2,), "c": (2,)}, use_resource=use_resource)
    session.run([b.assign([7, 8]), c.assign([7, 8])])
    report = pr.restore_subset(session.graph, path, session=session, initialize={"b": "ones"})
    assert session.run([b, c])[0].tolist() == [1, 1]
    assert session.run(c).tolist() == [7, 8]
    assert report["b"].reason.endswith("initialized anew")
    pr.restore_subset(session.graph, path, session=session, initialize="rerun")
    assert session.run(c).tolist() != [7, 8]


def test_initial_values_that_come_from_loaded_variables(tmp_path: Path, session: tf1.Session) -> None:
    path, values = saved(tmp_path, {"a": (2,)})
    (a,) = variables({"a": (2,)})
    b = tf1.get_variable("b", initializer=a.read_value() * 2)
    pr.restore_subset(session.graph, path, session=session)
    np.testing.assert_array_equal(session.run(b), values["a"] * 2)


def test_variables_of_one_initial_value_get_their_own(
    tmp_path: Path, session: tf1.Session, *, use_resource: bool
) -> None:
    path, values = saved(tmp_path, {"a": (2,), "b": (2,)})
    zeros = tf.zeros([2])
    a, b = (tf1.get_variable(name, initializer=zeros, use_resource=use_resource) for name in ("a", "b"))
    pr.restore_subset([a, b], path, session=session)
    np.testing.assert_array_equal(session.run(a), values["a"])
    np.testing.assert_array_equal(session.run(b), values["b"])


def test_finalized_graph(tmp_path: Path, session: tf1.Session, *, use_resource: bool) -> None:
    path, values = saved(tmp_path, {"a": (2,)})
    a, b = variables({"a": (2,), "b": (2,)}, use_resource=use_resource)
    session.graph.finalize()
    pr.restore_subset([a, b], path, session=session)
    np.testing.assert_array_equal(session.run(a), values["a"])
    assert session.run(b).shape == (2,)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("shards", [1, 2, 3])
def test_partitioned_variables_are_one(tmp_path: Path, session: tf1.Session, version: int, shards: int) -> None:
    def table(count: int) -> Any:
        partitioner = tf1.fixed_size_partitioner(count)
        return tf1.get_variable("table", [6, 2], initializer=tf1.random_normal_initializer(), partitioner=partitioner)

    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as other:
        full = tf.convert_to_tensor(table(2))
        other.run(tf1.global_variables_initializer())
        path = tf1.train.Saver(write_version=version).save(other, str(tmp_path / "ckpt"))
        expected = other.run(full)
    target = tf.convert_to_tensor(table(shards))
    report = pr.restore_subset(session.graph, path, session=session)
    np.testing.assert_array_equal(session.run(target), expected)
    assert [(item.name, item.variable.shape) for item in report.loaded if item.variable] == [("table", (6, 2))]
    part = pr.save_subset(session.graph, tmp_path / "part", session=session)
    np.testing.assert_array_equal(tf1.train.NewCheckpointReader(part).get_tensor("table"), expected)


def test_some_parts_of_a_partitioned_variable_are_refused(tmp_path: Path, session: tf1.Session) -> None:
    table = tf1.get_variable("table", [6, 2], partitioner=tf1.fixed_size_partitioner(3))
    for call in (
        lambda: pr.save_subset([list(table)[1]], tmp_path / "x", session=session),
        lambda: pr.restore_subset([next(iter(table))], {"table": np.zeros([6, 2], np.float32)}, session=session),
    ):
        with pytest.raises(ValueError, match="not all parts"):
            call()


def test_variables_that_initialize_each_other(tmp_path: Path, session: tf1.Session) -> None:
    path, _ = saved(tmp_path, {"a": (2,)})
    variables({"a": (2,)})
    b = tf1.get_variable("b", initializer=np.float32([1, 2]))
    c = tf1.get_variable("c", initializer=b.read_value() * 2)
    tf1.get_variable("d", initializer=c.read_value() * 2)
    pr.restore_subset(session.graph, path, session=session)
    assert session.run(c).tolist() == [2, 4]


def test_closed_session_is_found_out_before_anything(session: tf1.Session) -> None:
    variables({"a": (2,)})
    session.close()
    with pytest.raises(RuntimeError, match="closed"):
        pr.restore_subset(session.graph, {"a": np.float32([1, 2])}, session=session)


def test_optimizer_state_is_left_and_initialized(tmp_path: Path, session: tf1.Session) -> None:
    def model() -> Any:
        (w,) = variables({"w": (2,)})
        return w, tf1.train.AdamOptimizer().minimize(tf.reduce_sum(w * w))

    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as other:
        w, step = model()
        other.run(tf1.global_variables_initializer())
        other.run(step)
        path, expected = tf1.train.Saver().save(other, str(tmp_path / "ckpt")), other.run(w)
    w, step = model()
    report = pr.restore_subset(session.graph, path, session=session)
    np.testing.assert_array_equal(session.run(w), expected)
    assert [item.name for item in report.loaded] == ["w"]
    assert {item.name for item in report.initialized} == {"w/Adam", "w/Adam_1", "beta1_power", "beta2_power"}
    session.run(step)


OPTIMIZERS = {
    "Adagrad": lambda: tf1.train.AdagradOptimizer(0.1),
    "Momentum": lambda: tf1.train.MomentumOptimizer(0.1, 0.9),
    "Adam": tf1.train.AdamOptimizer,
    "RMSProp": lambda: tf1.train.RMSPropOptimizer(0.1),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    ("before", "after", "is_told"),
    [
        ("main aux", "main aux", True),
        ("main aux", "main", False),
        ("main", "aux main", False),
        ("a/main b/aux", "b/aux", True),
        ("main", "a/aux main", False),
    ],
)
def test_state_of_two_optimizers_of_a_class(
    optimizer: str, before: str, after: str, is_told: bool, tmp_path: Path, session: tf1.Session
) -> None:
    """The second one goes on where the numbers of the first one end: without one of them nothing tells whose they are."""

    def state(optimizers: str) -> dict[str, tf.Variable]:
        (w,) = variables({"w": (2,)})
        for scope in (each.rpartition("/")[0] for each in optimizers.split()):
            with tf1.variable_scope(scope) if scope else nullcontext():
                OPTIMIZERS[optimizer]().minimize(tf.reduce_sum(w * w))
        return {each.op.name: each for each in tf1.global_variables()}

    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as other:
        saved = state(before)
        for i, each in enumerate(saved.values()):
            other.run(each.initializer, {each.initializer.inputs[1]: np.full(each.shape, i + 1, np.float32)})
        path, values = tf1.train.Saver().save(other, str(tmp_path / "ckpt")), other.run(saved)
    made = state(after)
    if not is_told:
        with pytest.raises(pr.AmbiguousError):
            pr.restore_subset(session.graph, path, session=session, optimizer=True)
        return
    pr.restore_subset(session.graph, path, session=session, optimizer=True)
    for name, value in session.run(made).items():
        np.testing.assert_array_equal(value, values[name])


def test_assignment_map_is_what_a_saver_takes(tmp_path: Path, session: tf1.Session) -> None:
    path, values = saved(tmp_path, {"tower/a": (2,), "tower/b": (2,)})
    a, _ = variables({"a": (2,), "c": (2,)})
    plan = pr.plan_subset(session.graph, path, rename={"tower/": ""}, session=session)
    assert plan.assignment_map == {"tower/a": a}
    tf1.train.Saver(plan.assignment_map).restore(session, path)
    np.testing.assert_array_equal(session.run(a), values["tower/a"])


def test_part_can_be_saved_and_read_by_anyone(tmp_path: Path, session: tf1.Session) -> None:
    a, b = variables({"body/a": (2,), "head/b": (2,)})
    session.run(tf1.global_variables_initializer())
    prefix = pr.save_subset([a, b], tmp_path / "new" / "part", include="head", session=session)
    expected = session.run(b)
    assert [tensor.name for tensor in pr.list_checkpoint(prefix)] == ["head/b"]
    session.run(b.assign([0, 0]))
    tf1.train.Saver({"head/b": b}).restore(session, prefix)
    np.testing.assert_array_equal(session.run(b), expected)


def test_graph_without_session(session: tf1.Session) -> None:
    variables({"a": (2,)})
    for model in (session.graph, tf1.global_variables()):
        with pytest.raises(ValueError, match="session="):
            pr.restore_subset(model, {"a": np.zeros(2, np.float32)})


def test_variables_of_another_graph(session: tf1.Session) -> None:
    with tf.Graph().as_default():
        (stray,) = variables({"a": (2,)})
    with pytest.raises(ValueError, match="not a variable of the session's graph"):
        pr.restore_subset([stray], {"a": np.zeros(2, np.float32)}, session=session)


def test_mapping_of_graph_variables(session: tf1.Session) -> None:
    (a,) = variables({"a": (2,)})
    pr.restore_subset({"renamed/a": a}, {"renamed/a": np.float32([1, 2])}, session=session)
    assert session.run(a).tolist() == [1, 2]


def test_a_mapping_under_the_own_names_of_variables_says_no_more_than_these(session: tf1.Session) -> None:
    held = [tf1.get_variable(f"{name}/kernel", initializer=np.float32([0])) for name in ("dense", "head")]
    variable = held[0]
    for front in ("", "net/"):
        source = {f"{front}{name}/kernel": np.float32([1]) for name in ("dense", "dense_1", "head")}
        with pytest.raises(pr.AmbiguousError, match="dense_1"):
            pr.restore_subset({f"{front}{each.op.name}": each for each in held}, source, session=session)
    pr.restore_subset({variable.name: variable}, {"dense/kernel": np.float32([3])}, session=session)
    assert session.run(variable).tolist() == [3]


def test_automatic_names_of_a_graph_are_positions(session: tf1.Session) -> None:
    for _ in range(3):
        tf1.Variable([0.0])
    source = {"Variable": np.float32([1]), "Variable_1": np.float32([2])}
    with pytest.raises(pr.AmbiguousError, match="Variable_1"):
        pr.restore_subset(session.graph, source, session=session, exclude="Variable_2")


def damaged(folder: Path) -> str:
    """Save two variables, and change the last byte."""
    path, _ = saved(folder, {"a": (100,), "b": (100,)})
    data = Path(f"{path}.data-00000-of-00001")
    content = bytearray(data.read_bytes())
    content[-1] ^= 1
    data.write_bytes(content)
    return path


def test_damage_leaves_a_session_unchanged(tmp_path: Path, session: tf1.Session) -> None:
    path = damaged(tmp_path)
    held = variables({"a": (100,), "b": (100,)})
    session.run(tf1.global_variables_initializer())
    before = session.run(held)
    with pytest.raises(pr.UnreadableCheckpointError, match="ckpt"):
        pr.restore_subset(held, path, session=session, max_memory=1)
    for ours, theirs in zip(session.run(held), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("is_initialized", [False, True], ids=["empty", "initialized"])
def test_what_empty_variables_take_over_is_read_once(
    tmp_path: Path, session: tf1.Session, monkeypatch: pytest.MonkeyPatch, *, use_resource: bool, is_initialized: bool
) -> None:
    path, values = saved(tmp_path, {"a": (100,), "b": (100,)})
    held = variables({"a": (100,), "b": (100,)}, use_resource=use_resource)
    if is_initialized:
        session.run(tf1.global_variables_initializer())
    plan = pr.plan_subset(held, path, session=session, max_memory=1)
    read, reads, count = CheckpointSource.read, [], ops(session)

    def noted(self: CheckpointSource, keys: Sequence[str], *into: Any) -> Any:
        reads.extend(keys)
        return read(self, keys, *into)

    monkeypatch.setattr(CheckpointSource, "read", noted)
    monkeypatch.setattr(CheckpointSource, "reread", noted)
    plan.apply()
    np.testing.assert_equal(session.run({v.op.name: v for v in held}), values)
    assert sorted(reads) == sorted(["a", "b"] * (1 if use_resource and not is_initialized else 2))
    assert ops(session) == count


def test_damage_leaves_variables_without_values(tmp_path: Path, session: tf1.Session) -> None:
    path = damaged(tmp_path)
    held = variables({"a": (100,), "b": (100,)})
    for memory in (1, 2**20):
        for verify in (True, False):
            with pytest.raises(pr.UnreadableCheckpointError, match="ckpt"):
                pr.restore_subset(held, path, session=session, max_memory=memory, verify=verify)
            assert not any(session.run([v.is_initialized() for v in held]))


def test_variables_of_an_imported_graph(tmp_path: Path, session: tf1.Session) -> None:
    with tf.Graph().as_default(), tf1.Session() as other:
        held = variables(SHAPES)
        other.run(tf1.global_variables_initializer())
        path = tf1.train.Saver().save(other, str(tmp_path / "ckpt"))
        values = other.run(held)
    tf1.train.import_meta_graph(f"{path}.meta")
    for _ in range(2):
        pr.restore_subset(session.graph, path, session=session, max_memory=1)
        for ours, theirs in zip(session.run(tf1.global_variables()), values, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_a_model_that_was_built_in_a_graph_is_refused_before_anything_is_read(family: str) -> None:
    k = {"keras": keras, "tf_keras": tf_keras}[family]
    with tf.Graph().as_default() as graph:
        model = k.Sequential([k.layers.Input([2]), k.layers.Dense(1, name="a")])
        with pytest.raises(ValueError, match="pass the session in which it lives"):
            pr.restore_subset(model, {"a/bias": np.float32([1])})
    with tf.compat.v1.Session(graph=graph) as session, pytest.raises(TypeError, match=r"a tf\.Graph or its variables"):
        pr.restore_subset(model, {"a/bias": np.float32([1])}, session=session)


@pytest.mark.parametrize("is_rerun", [False, True])
def test_variables_whose_initializers_ran_before_one_failed_are_named(
    session: tf1.Session, *, is_rerun: bool, use_resource: bool
) -> None:
    def random() -> Any:
        return tf.random.normal([2])

    given = tf1.placeholder(tf.float32, [2])
    held = [
        tf1.get_variable(name, initializer=start, use_resource=use_resource)
        for name, start in {"a": random, "b": random, "c": given, "d": random}.items()
    ]
    if is_rerun:
        session.run([each.initializer for each in held], {given: [1, 1]})
    with pytest.raises(pr.PartialRestoreError) as caught:
        pr.restore_subset(held, {"a": np.float32([5, 6])}, session=session, initialize="rerun" if is_rerun else "keep")
    assert {"a", "b", "d"} <= {*caught.value.changed}


@pytest.mark.parametrize("memory", [1, 2**20])
def test_a_monitored_session_is_a_session(tmp_path: Path, memory: int, *, use_resource: bool) -> None:
    path, values = saved(tmp_path, {"a": (100,), "b": (100,)})
    with tf.Graph().as_default():
        held = variables({"a": (100,), "b": (100,)}, use_resource=use_resource)
        with tf1.train.MonitoredSession() as monitored:
            pr.restore_subset(held, path, session=monitored, max_memory=memory)
            np.testing.assert_equal(monitored.run({each.op.name: each for each in held}), values)


def test_a_plan_of_a_variable_in_parts_is_the_same(tmp_path: Path, session: tf1.Session, *, use_resource: bool) -> None:
    path, values = saved(tmp_path, {"a": (100,)})
    parts = tf1.get_variable("a", [100], partitioner=tf1.fixed_size_partitioner(3), use_resource=use_resource)
    plan = pr.plan_subset([parts], path, session=session)
    for _ in range(2):
        plan.apply()
    np.testing.assert_array_equal(np.concatenate(session.run(list(parts))), values["a"])
