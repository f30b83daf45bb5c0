"""Saving a part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from models import assert_same, by_layer, stack

import partial_restore as pr
from partial_restore._recorded import names_in
from partial_restore._save import write_checkpoint
from partial_restore._types import name_of


def test_part_is_written_under_its_names(tmp_path: Path) -> None:
    source, target = stack(["b0"]), stack(["b0"])
    kept = by_layer(target)
    prefix = pr.save_subset(source, tmp_path / "deep" / "head", include="head")
    assert {file.name for file in (tmp_path / "deep").iterdir()} == {"head.index", "head.data-00000-of-00001"}
    reader = tf.train.load_checkpoint(prefix)
    np.testing.assert_array_equal(reader.get_tensor("head/kernel"), by_layer(source)["head/kernel"])
    pr.restore_subset(target, prefix)
    assert_same(
        by_layer(target),
        {**kept, **{name: value for name, value in by_layer(source).items() if name.startswith("head")}},
    )


def test_failed_save_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = stack(["b0"]), stack(["b0"])
    prefix = pr.save_subset(first, tmp_path / "part")

    def fail(**_: object) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "disk full")

    monkeypatch.setattr(tf.raw_ops, "SaveV2", fail)
    with pytest.raises(tf.errors.ResourceExhaustedError):
        pr.save_subset(second, tmp_path / "part")
    pr.restore_subset(second, prefix)
    assert_same(by_layer(second), by_layer(first))
    assert len(list(tmp_path.iterdir())) == 2


def test_save_over_an_older_one(tmp_path: Path) -> None:
    first, second = stack(["b0"]), stack(["b0"])
    pr.save_subset(first, tmp_path / "part")
    prefix = pr.save_subset(second, tmp_path / "part")
    pr.restore_subset(first, prefix)
    assert_same(by_layer(first), by_layer(second))


def test_state_of_an_optimizer_is_not_saved(tmp_path: Path) -> None:
    model = stack(["b0"])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    parts = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
    with pytest.raises(
        ValueError, match="include='optimizer' fits nothing that is saved, which is variables of the model"
    ):
        pr.save_subset(parts, tmp_path / "part", include=["model", "optimizer"])
    assert not list(tmp_path.iterdir())
    assert len(pr.list_checkpoint(pr.save_subset(parts, tmp_path / "part"))) == 1 + len(model.weights)


def test_nothing_to_save(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing is selected"):
        pr.save_subset(stack(["b0"]), tmp_path / "part", exclude="*")
    with pytest.raises(pr.UnknownNameError, match="haed"):
        pr.save_subset(stack(["b0"]), tmp_path / "part", include="haed")
    with pytest.raises(ValueError, match="no prefix"):
        pr.save_subset(stack(["b0"]), f"{tmp_path}/")
    with pytest.raises(ValueError, match="without a name"):
        pr.save_subset({"": tf.Variable(1.0)}, tmp_path / "part")
    assert not list(tmp_path.iterdir())


class Towers(tf.Module):
    """Two attributes that look like the names that Keras makes up, and are no layers of Keras."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        for i, name in enumerate(names):
            setattr(self, name, tf.Variable([float(i)]))


def test_what_was_chosen_is_recorded(tmp_path: Path) -> None:
    prefix = pr.save_subset(Towers("dense_1", "dense_2"), tmp_path / "part")
    target = Towers("head", "dense_2", "dense_3")
    report = pr.restore_subset(target, prefix)
    assert [item.name for item in report.loaded] == ["dense_2"]
    assert target.dense_2.numpy() == [1.0]
    keys = tf.train.load_checkpoint(prefix).get_variable_to_shape_map()
    assert sorted(keys) == ["_PARTIAL_RESTORE_NAMES", "dense_1", "dense_2"]


def test_variables_by_name_have_nothing_to_record(tmp_path: Path) -> None:
    prefix = pr.save_subset({"w": tf.Variable([1.0])}, tmp_path / "part")
    assert list(tf.train.load_checkpoint(prefix).get_variable_to_shape_map()) == ["w"]


@pytest.mark.parametrize(
    "record",
    ["", "{", "[]", '{"version": 1}', '{"version": 1, "names": {"w": [[[[1, true, null]]], []]}}',
     '{"version": 1, "names": {"w": [[[["w", "x", null]]], []]}}', '{"version": 1, "names": {"w": [[[["w"]]], []]}}',
     '{"version": 1, "names": {"w": 3}}', '{"version": 1, "names": {"w": [[[["w", true, ["", "x"]]]], []]}}'],
)  # fmt: skip
def test_damaged_record_is_refused(tmp_path: Path, record: str) -> None:
    prefix = write_checkpoint(
        str(tmp_path / "part"), ["w", "_PARTIAL_RESTORE_NAMES"], [tf.ones([1]), tf.constant(record)]
    )
    with pytest.raises(pr.UnreadableCheckpointError, match="record of names"):
        pr.restore_subset(Towers("w"), prefix)


def test_record_without_inputs_tells_the_names() -> None:
    assert names_in('{"version": 1, "names": {"w": [[], [[["w", true]]], []]}}')["w"][1:] == (
        (name_of("w", said=True),),
        (),
        frozenset(),
    )


def test_record_of_another_version_tells_nothing(tmp_path: Path) -> None:
    record = tf.constant('{"version": 2, "names": "?"}')
    prefix = write_checkpoint(str(tmp_path / "part"), ["w", "_PARTIAL_RESTORE_NAMES"], [tf.ones([1]), record])
    target = Towers("w")
    pr.restore_subset(target, prefix)
    assert target.w.numpy() == [1.0]


def test_record_that_is_no_text_is_refused(tmp_path: Path) -> None:
    prefix = write_checkpoint(str(tmp_path / "part"), ["w", "_PARTIAL_RESTORE_NAMES"], [tf.ones([1]), tf.ones([1])])
    with pytest.raises(pr.UnreadableCheckpointError, match="record of names"):
        pr.restore_subset(Towers("w"), prefix)


@pytest.mark.parametrize("name", ["x.npz", "x.weights.h5"])
def test_no_checkpoint_is_hidden_behind_a_file_of_its_name(name: str, tmp_path: Path) -> None:
    """Readers would take that file for it."""
    if name.endswith(".npz"):
        np.savez(tmp_path / name, w=np.float32([1]))
    else:
        stack(["b0"]).save_weights(tmp_path / name)
    with pytest.raises(ValueError, match="there is another file"):
        pr.save_subset({"w": tf.Variable([2.0])}, str(tmp_path / name))
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["_CHECKPOINTABLE_OBJECT_GRAPH", "_PARTIAL_RESTORE_NAMES", "a/.OBJECT_CONFIG_JSON"])
def test_names_of_bookkeeping_are_no_names_of_variables(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keeps for itself"):
        pr.save_subset({name: tf.Variable([2.0])}, str(tmp_path / "x"))
