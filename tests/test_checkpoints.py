"""TensorFlow's checkpoints: every way to name one, every format, every damage."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from models import Layers, assert_same, by_layer, randomized, saved, stack, unchanged

import partial_restore as pr

tf1 = tf.compat.v1


def saved_by_saver(folder: Path, values: dict[str, Any], *, version: int = 2, sharded: bool = False) -> str:
    """Save values under names as TensorFlow 1 does."""
    with (
        tf.Graph().as_default() as graph,
        tf1.Session(graph=graph, config=tf1.ConfigProto(device_count={"CPU": 2})) as session,
    ):
        for i, (name, value) in enumerate(values.items()):
            with tf.device(f"/cpu:{i % 2}"):
                tf1.get_variable(name, initializer=value)
        session.run(tf1.global_variables_initializer())
        saver = tf1.train.Saver(write_version=version, sharded=sharded)
        return str(saver.save(session, str(folder / "model.ckpt"), global_step=3))


def fresh(values: dict[str, Any]) -> dict[str, tf.Variable]:
    return {name: tf.Variable(tf.zeros_like(value)) for name, value in values.items()}


def assert_holds(variables: dict[str, tf.Variable], values: dict[str, Any]) -> None:
    assert_same({name: variable.numpy() for name, variable in variables.items()}, values)


VALUES = {"a/w": np.float32([[1, 2], [3, 4]]), "a/b": np.float32([5, 6]), "c": np.int64(7)}


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("version", [1, 2])
def test_name_based_formats(tmp_path: Path, *, version: int, sharded: bool) -> None:
    path, variables = saved_by_saver(tmp_path, VALUES, version=version, sharded=sharded), fresh(VALUES)
    for form in {path, str(tmp_path), path.replace("-?????-of-00002", "") + ".meta"}:
        report = pr.restore_subset(variables, form)
        assert_holds(variables, VALUES)
        assert len(report.loaded) == 3
        assert not report.skipped


FORMS: dict[str, Callable[[Path, Path], Any]] = {
    "prefix": lambda prefix, _: str(prefix),
    "PathLike": lambda prefix, _: prefix,
    "index": lambda prefix, _: f"{prefix}.index",
    "data": lambda prefix, _: f"{prefix}.data-00000-of-00001",
    "folder": lambda _, folder: folder,
    "folder with a slash": lambda _, folder: f"{folder}/",
    "state file": lambda _, folder: folder / "checkpoint",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_every_form_of_a_path_gives_the_same_report(tmp_path: Path, form: Callable[[Path, Path], Any]) -> None:
    source = stack(["b0"])
    prefix = tf.train.CheckpointManager(tf.train.Checkpoint(source), str(tmp_path), 2).save()
    target = stack(["b0"])
    report = pr.restore_subset(target, form(Path(prefix), tmp_path))
    assert_same(by_layer(target), by_layer(source))
    assert (report.loaded, report.skipped) == ((r := pr.plan_subset(target, prefix).report).loaded, r.skipped)


@pytest.mark.parametrize("has_optimizer", [False, True])
def test_a_checkpoint_around_a_root_is_a_model_as_its_file_has_it(tmp_path: Path, *, has_optimizer: bool) -> None:
    """What the root keeps stands beside what is attached to it."""

    def made() -> Any:
        model = randomized(stack(["b0"]))
        model.optimizer = keras.optimizers.Adam()
        model.optimizer.build(model.trainable_variables)
        for each in model.optimizer.variables[2:]:
            each.assign(np.random.default_rng().random(each.shape))
        parts = {"optimizer": model.optimizer} if has_optimizer else {}
        return tf.train.Checkpoint(model, step=tf.Variable(7), **parts), model

    (source, saved_model), (target, model) = made(), made()
    target.step.assign(0)

    report = pr.restore_subset(target, source.write(str(tmp_path / "c")), optimizer=has_optimizer, strict=True)

    assert target.step.numpy() == 7
    assert_same(by_layer(model), by_layer(saved_model))
    assert {"step", "b0/kernel"} <= {item.name for item in report.loaded}
    if has_optimizer:
        for ours, theirs in zip(model.optimizer.variables, saved_model.optimizer.variables, strict=True):
            np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path, stack(["b0"]))
    monkeypatch.chdir(tmp_path)
    assert pr.restore_subset(stack(["b0"]), "ckpt").loaded
    assert pr.restore_subset(stack(["b0"]), ".").loaded


def test_file_system_of_tensorflow() -> None:
    source = stack(["b0"])
    prefix = tf.train.Checkpoint(source).write("ram://folder/ckpt")
    for form in (prefix, "ram://folder", f"{prefix}.index"):
        target = stack(["b0"])
        pr.restore_subset(target, form)
        assert_same(by_layer(target), by_layer(source))


def test_folder_without_state_file_has_the_highest_step(tmp_path: Path) -> None:
    for step in (9, 10, 2):
        tf.train.Checkpoint(v=tf.Variable(float(step))).write(str(tmp_path / f"ckpt-{step}"))
    target = {"v": tf.Variable(0.0)}
    pr.restore_subset(target, tmp_path)
    assert target["v"].numpy() == 10


def test_numbers_that_are_no_steps_have_no_latest(tmp_path: Path) -> None:
    for name in ("resnet50", "resnet101"):
        pr.save_subset({"v": tf.Variable(1.0)}, tmp_path / name)
    with pytest.raises(pr.CheckpointNotFoundError, match="none of these is the latest"):
        pr.list_checkpoint(tmp_path)


def test_state_file_names_a_checkpoint_in_a_folder_below(tmp_path: Path) -> None:
    pr.save_subset({"v": tf.Variable(1.0)}, tmp_path / "m-4")
    below = pr.save_subset({"v": tf.Variable(2.0)}, tmp_path / "sub" / "m-4")
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "sub/m-4"\n')
    target = {"v": tf.Variable(0.0)}
    assert pr.restore_subset(target, tmp_path).path == below
    assert target["v"].numpy() == 2


def test_scheme_that_tensorflow_does_not_open() -> None:
    with pytest.raises(pr.UnreadableCheckpointError, match="nix://"):
        pr.list_checkpoint("nix://bucket/ckpt")


def test_path_that_tensorflow_takes_for_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "[a]").mkdir()
    tf.train.Checkpoint(v=tf.Variable(1.0)).write(str(tmp_path / "[a]" / "ckpt"))
    with pytest.raises(pr.UnreadableCheckpointError, match="pattern"):
        pr.list_checkpoint(tmp_path / "[a]" / "ckpt")


def test_folder_of_several_series_has_no_latest(tmp_path: Path) -> None:
    for name in ("best", "last"):
        tf.train.Checkpoint(v=tf.Variable(1.0)).write(str(tmp_path / name))
    with pytest.raises(pr.CheckpointNotFoundError, match="none of these is the latest") as caught:
        pr.list_checkpoint(tmp_path)
    assert "best.index" in caught.value.present


def test_folder_that_was_moved(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    tf.train.CheckpointManager(tf.train.Checkpoint(v=tf.Variable(1.0)), str(tmp_path / "old"), 2).save()
    state = tmp_path / "old" / "checkpoint"
    state.write_text(state.read_text().replace('"ckpt-1"', f'"{tmp_path}/old/ckpt-1"'))
    shutil.move(tmp_path / "old", tmp_path / "new")
    assert "v" in [tensor.name for tensor in pr.list_checkpoint(tmp_path / "new")]


def test_folder_of_shards_that_was_moved(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    saved_by_saver(tmp_path / "old", VALUES, version=1, sharded=True)
    shutil.move(tmp_path / "old", tmp_path / "new")
    assert {tensor.name for tensor in pr.list_checkpoint(tmp_path / "new")} == VALUES.keys()


def test_state_file_that_names_what_is_gone(tmp_path: Path) -> None:
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(v=tf.Variable(1.0)), str(tmp_path), 3)
    manager.save()
    for file in Path(manager.save()).parent.glob("ckpt-2*"):
        file.unlink()
    with pytest.raises(pr.CheckpointNotFoundError, match="is gone") as caught:
        pr.list_checkpoint(tmp_path)
    assert "ckpt-1.index" in caught.value.present


def test_stale_v1_file_beside_v2(tmp_path: Path) -> None:
    new = saved_by_saver(tmp_path, VALUES)
    (tmp_path / "old").mkdir()
    old = saved_by_saver(tmp_path / "old", {"a/w": np.float32([0])}, version=1)
    shutil.copy(old, new)
    variables = fresh(VALUES)
    pr.restore_subset(variables, new)
    assert_holds(variables, VALUES)


@pytest.mark.parametrize("kind", ["module", "export", "save"])
def test_saved_model(tmp_path: Path, kind: str) -> None:
    source, target = stack(["b0", "b1"]), stack(["b0", "b1"])
    folder = str(tmp_path / "saved")
    if kind == "module":
        module = tf.Module()
        module.w, module.inner = tf.Variable([1.0, 2.0]), tf.Module()
        module.inner.b = tf.Variable([3.0])
        tf.saved_model.save(module, folder)
        variables = {"w": tf.Variable([0.0, 0.0]), "inner/b": tf.Variable([0.0])}
        pr.restore_subset(variables, folder)
        assert_holds(variables, {"w": np.float32([1, 2]), "inner/b": np.float32([3])})
    elif kind == "save":
        tf.saved_model.save(source, folder)
        pr.restore_subset(target, folder)
        assert_same(by_layer(target), by_layer(source))
    else:
        source.export(folder)
        pr.restore_subset(target, Path(folder))
        assert_same(by_layer(target), by_layer(source))


def test_saved_model_without_variables(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(pr.CheckpointNotFoundError, match="no variables"):
        pr.list_checkpoint(tmp_path)


@pytest.mark.parametrize("missing", [None, "", "folder", "nothing/here", "ckpt-2", "ckpt-2.index"])
def test_missing_checkpoint_says_what_is_there(tmp_path: Path, missing: str | None) -> None:
    tf.train.Checkpoint(v=tf.Variable(1.0)).write(str(tmp_path / "ckpt-1"))
    (tmp_path / "folder").mkdir()
    target = stack(["b0"])
    with unchanged(target), pytest.raises(FileNotFoundError) as caught:
        pr.restore_subset(target, missing if not missing else tmp_path / missing)
    assert isinstance(caught.value, pr.CheckpointNotFoundError)
    assert caught.value.looked_for
    if missing and missing.startswith("ckpt"):
        assert "ckpt-1.index" in str(caught.value)


@pytest.mark.parametrize("wrong", [3, b"ckpt", ["ckpt"], {3: np.zeros(2)}, {"a": object()}])
def test_what_is_no_checkpoint(wrong: Any) -> None:
    with pytest.raises(TypeError):
        pr.restore_subset({"a": tf.Variable(0.0)}, wrong)


def test_mapping_of_anything_that_is_an_array() -> None:
    values: dict[str, Any] = {
        "a": [1.0, 2.0],
        "b:0": tf.constant([3.0]),
        "c": tf.Variable([4.0]),
        "d": keras.Variable([5.0]),
        "e": 6.0,
    }
    target = {
        name[0]: tf.Variable(tf.zeros_like(tf.convert_to_tensor(value), dtype=tf.float32))
        for name, value in values.items()
    }
    pr.restore_subset(target, values)
    assert [variable.numpy().tolist() for variable in target.values()] == [[1.0, 2.0], [3.0], [4.0], [5.0], 6.0]


@pytest.mark.parametrize("way", ["path", "value"])
def test_a_mapping_under_paths_of_keras_says_no_more_than_these(way: str) -> None:
    """Of two layers without names the first is gone, or has a name now: the other one is called as the first was."""
    keras.backend.clear_session()
    source = {f"sequential/{name}/kernel": np.zeros([4, 4], np.float32) for name in ("dense", "dense_1", "head")}
    layers = [keras.layers.Dense(4, use_bias=False, name=name) for name in (None, "head")]
    model = keras.Sequential([keras.layers.Input([4]), *layers])
    target = {variable.path: variable if way == "path" else variable.value for variable in model.variables}
    assert "sequential/dense/kernel" in target
    with unchanged(model), pytest.raises(pr.AmbiguousError, match="dense_1"):
        pr.restore_subset(target, source)


def test_the_only_layer_of_a_named_model_is_not_the_first_of_two() -> None:
    keras.backend.clear_session()
    source = {f"net/{name}/kernel": np.zeros([4, 4], np.float32) for name in ("dense", "dense_1")}
    model = keras.Sequential([keras.layers.Input([4]), keras.layers.Dense(4, use_bias=False)], name="net")
    with unchanged(model), pytest.raises(pr.AmbiguousError, match="dense_1"):
        pr.restore_subset(model, source)


def test_a_mapping_under_names_that_tensorflow_writes() -> None:
    source = {"a/w:0": np.float32([1]), "b/w:0": np.float32([2])}
    target = {name: tf.Variable([0.0], name=name.removesuffix(":0")) for name in source}
    pr.restore_subset(target, source)
    assert [variable.numpy().tolist() for variable in target.values()] == [[1], [2]]


def test_a_variable_in_shards_is_refused() -> None:
    shards = [tf.Variable([float(i)]) for i in range(2)]
    target = tf.train.Checkpoint(a=tf.Variable([0.0]), b=tf.__internal__.distribute.ShardedVariable(shards, name="emb"))
    with pytest.raises(TypeError, match="emb: variables in shards"):
        pr.restore_subset(target, {"a": np.float32([1]), "b": np.zeros(2, np.float32)})


def big(folder: Path) -> tuple[Any, str]:
    """A checkpoint of layers that are larger than a small memory budget."""
    source = stack([f"b{i}" for i in range(6)], width=64)
    return source, saved(folder, source)


def damaged(path: str, damage: str) -> None:
    data = Path(f"{path}.data-00000-of-00001")
    content = bytearray(data.read_bytes())
    if damage == "one byte":
        content[len(content) // 2] ^= 1
        data.write_bytes(content)
    elif damage == "the last byte of a weight":
        content[64 * 64 * 4 * 6] ^= 128
        data.write_bytes(content)
    elif damage == "truncated":
        data.write_bytes(content[: len(content) // 2])
    elif damage == "empty data":
        data.write_bytes(b"")
    elif damage == "no shard":
        data.unlink()
    elif damage == "index":
        index = Path(f"{path}.index")
        index.write_bytes(index.read_bytes()[:-20])
    elif damage == "footer":
        index = Path(f"{path}.index")
        content = bytearray(index.read_bytes())
        content[-46] = 255
        index.write_bytes(content)
    elif damage == "empty index":
        Path(f"{path}.index").write_bytes(b"")


DAMAGES = [
    "one byte",
    "the last byte of a weight",
    "truncated",
    "empty data",
    "no shard",
    "index",
    "footer",
    "empty index",
]


@pytest.mark.parametrize("memory", [1, 40_000, 10**9])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_changes_nothing(tmp_path: Path, damage: str, memory: int) -> None:
    _, path = big(tmp_path)
    damaged(path, damage)
    target = stack([f"b{i}" for i in range(6)], width=64)
    with unchanged(target), pytest.raises(pr.UnreadableCheckpointError, match="ckpt"):
        pr.restore_subset(target, path, max_memory=memory)


@pytest.mark.parametrize("memory", [1, 40_000, 10**9])
def test_memory_budget_changes_nothing_but_memory(tmp_path: Path, memory: int) -> None:
    source, path = big(tmp_path)
    for verify in (True, False):
        target = stack([f"b{i}" for i in range(6)], width=64)
        pr.restore_subset(target, path, max_memory=memory, verify=verify)
        assert_same(by_layer(target), by_layer(source))


def test_late_failure_names_what_was_changed(tmp_path: Path) -> None:
    source, path = big(tmp_path)
    damaged(path, "the last byte of a weight")
    target = stack([f"b{i}" for i in range(6)], width=64)
    before = by_layer(target)
    with pytest.raises(pr.PartialRestoreError, match="Checksum") as caught:
        pr.restore_subset(target, path, max_memory=1, verify=False)
    expected = {name: by_layer(source)[name] if name in caught.value.changed else before[name] for name in before}
    assert 0 < len(caught.value.changed) < len(before)
    assert_same(by_layer(target), expected)


def test_one_shard_of_several_is_missing(tmp_path: Path) -> None:
    path = saved_by_saver(tmp_path, VALUES, sharded=True)
    Path(f"{path}.data-00001-of-00002").unlink()
    variables = fresh(VALUES)
    with pytest.raises(pr.UnreadableCheckpointError, match="shards are missing"):
        pr.restore_subset(variables, path)
    assert_holds(variables, {name: np.zeros_like(value) for name, value in VALUES.items()})


def test_a_file_that_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("weights are elsewhere" * 100)
    with pytest.raises(pr.UnreadableCheckpointError, match=r"notes\.txt"):
        pr.list_checkpoint(tmp_path / "notes.txt")


def test_listing_reads_no_value_and_counts_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, path = big(tmp_path)
    read: list[str] = []
    restore = tf.raw_ops.RestoreV2
    monkeypatch.setattr(
        tf.raw_ops, "RestoreV2", lambda **options: read.extend(options["tensor_names"]) or restore(**options)
    )
    listing = pr.list_checkpoint(path)
    assert read == ["_CHECKPOINTABLE_OBJECT_GRAPH"]
    assert len(listing) == len(tf.train.load_checkpoint(path).get_variable_to_shape_map())
    kernel = next(tensor for tensor in listing if tensor.name == "b0/kernel")
    assert (kernel.shape, kernel.dtype, kernel.size, kernel.nbytes) == ((64, 64), "float32", 4096, 16384)
    assert "b0/kernel" in str(listing)


def attending() -> Any:
    tokens = Layers.Input([6], dtype="int32")
    hidden = Layers.Embedding(11, 8)(tokens)
    for _ in range(2):
        hidden = Layers.LayerNormalization()(Layers.Add()([hidden, Layers.MultiHeadAttention(2, 4)(hidden, hidden)]))
    return keras.Model(tokens, Layers.Dense(2)(Layers.GlobalAveragePooling1D()(Layers.Dropout(0.1)(hidden))))


def nested() -> Any:
    def tower() -> Any:
        inputs = Layers.Input([4])
        return keras.Model(inputs, Layers.Dense(4, name="a")(Layers.Dense(4)(inputs)))

    inputs = Layers.Input([4])
    inner = keras.Sequential([Layers.Dense(4), Layers.BatchNormalization()])
    return keras.Model(inputs, Layers.Dense(2)(inner(tower()(tower()(inputs)))))


KERAS_MODELS: dict[str, Callable[[], Any]] = {
    "normalized": lambda: keras.Sequential(
        [Layers.Input([8, 8, 3]), Layers.Conv2D(4, 3), Layers.BatchNormalization(), Layers.Flatten(), Layers.Dense(2)]
    ),
    "recurrent": lambda: keras.Sequential(
        [
            Layers.Input([5, 3]),
            Layers.Bidirectional(Layers.LSTM(4, return_sequences=True)),
            Layers.GRU(3),
            Layers.Dense(2),
        ]
    ),
    "attending": attending,
    "nested": nested,
}


@pytest.mark.parametrize("is_compiled", [False, True])
@pytest.mark.parametrize("make", KERAS_MODELS.values(), ids=KERAS_MODELS.keys())
def test_a_model_accepts_its_own_checkpoint(tmp_path: Path, make: Callable[[], Any], *, is_compiled: bool) -> None:
    source, target = randomized(make()), make()
    if is_compiled:
        source.compile("adam", "mse")
        source.optimizer.build(source.trainable_variables)
    report = pr.restore_subset(
        target, saved(tmp_path, model=source, optimizer=getattr(source, "optimizer", None) or tf.Variable(1))
    )
    assert_same(
        {str(i): w.numpy() for i, w in enumerate(target.weights)},
        {str(i): w.numpy() for i, w in enumerate(source.weights)},
    )
    assert len(report.loaded) == len(target.weights)


def words_and_numbers(scale: float, *, more: bool = False) -> Any:
    """A model of tf_keras that keeps the words that it knows in a table beside numbers that it normalizes."""
    layers = tf_keras.layers
    words, numbers = tf_keras.Input([1], dtype="string"), tf_keras.Input([3])
    vectorize = layers.TextVectorization(max_tokens=9, output_sequence_length=4, name="vectorize")
    vectorize.adapt(["x y z"])
    told = [layers.Flatten()(layers.Embedding(9, 4, name="embed")(vectorize(words)))]
    for name in ("normalize", "more")[: 1 + more]:
        normalize = layers.Normalization(name=name)
        normalize.adapt(scale * np.arange(24, dtype=np.float32).reshape([8, 3]))
        told.append(normalize(numbers))
    return tf_keras.Model([words, numbers], layers.Dense(2, name="head")(layers.Concatenate()(told)))


def test_a_table_is_no_layer_among_those_with_variables(tmp_path: Path) -> None:
    source, target = words_and_numbers(5), words_and_numbers(7)

    report = pr.restore_subset(target, saved(tmp_path, source), strict=True)

    assert {"normalize/mean", "normalize/variance", "normalize/count"} < {each.name for each in report.loaded}
    for ours, theirs in zip(target.variables, source.variables, strict=True):
        if isinstance(ours, tf.Variable):  # The table is none.
            np.testing.assert_array_equal(ours, theirs)


def test_a_layer_beside_a_table_is_undecidable_among_more(tmp_path: Path) -> None:
    with pytest.raises(pr.AmbiguousError) as caught:
        pr.restore_subset(words_and_numbers(7, more=True), saved(tmp_path, words_and_numbers(5)), exclude="head")
    assert {"normalize/mean", "more/mean"} <= set(caught.value.names)


class _Block(keras.layers.Layer):  # type: ignore[misc]
    """A block without ``build``: Keras records ``p/kernel`` for either of its layers, without their names."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.net = keras.Sequential([keras.layers.Dense(4), keras.layers.Dense(4)])

    def call(self, inputs: Any) -> Any:
        return inputs + self.net(inputs)


def blocks(names: str, *, is_sequential: bool) -> keras.Model:
    layers = [*map(_Block, names), keras.layers.Dense(2, name="head")]
    if is_sequential:
        return keras.Sequential([keras.Input([4]), *layers])
    outputs = inputs = keras.Input([4])
    for layer in layers:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize("is_sequential", [False, True])
@pytest.mark.parametrize("names", ["pq qp", "pq qx", "pq xq", "pqr qrx", "pq rs", "pq xpq"])
def test_named_blocks_of_unnamed_layers_do_not_move(names: str, *, is_sequential: bool, tmp_path: Path) -> None:
    theirs, ours = names.split()
    source, target = (blocks(each, is_sequential=is_sequential) for each in (theirs, ours))
    before = {each: target.get_layer(each).get_weights() for each in ours}

    report = pr.restore_subset(target, saved(tmp_path, source))

    assert {each.name.split("/")[0] for each in report.loaded} == {"head", *(set(ours) & set(theirs))}
    for each in ours:
        expected = source.get_layer(each).get_weights() if each in theirs else before[each]
        for value, right in zip(target.get_layer(each).get_weights(), expected, strict=True):
            np.testing.assert_array_equal(value, right)
