"""Values of a checkpoint V2 that are read from where they lie: the same as TensorFlow reads, or not at all."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import partial_restore as pr
from partial_restore import UnreadableCheckpointError, _apply
from partial_restore._sources import _bundle
from partial_restore._sources._bundle import Bundle
from partial_restore._sources._checkpoint import CheckpointSource

FIXTURES = Path(__file__).with_name("fixtures")
INDEXES = sorted(FIXTURES.glob("**/*.index"))
DTYPES = (
    "bool uint8 int8 uint16 int16 uint32 int32 uint64 int64 half bfloat16 float32 float64 complex64 complex128 "
    "float8_e4m3fn float8_e5m2".split()
)


@pytest.fixture(autouse=True)
def _of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bundle, "_WORTH", 0)


def write(prefix: str, **tensors: tf.Tensor) -> str:
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=list(tensors.values()),
    )
    return prefix


def compared(prefix: str) -> tuple[int, list[str]]:
    """Return how many values were read directly, and the names of those that were not; all are as TensorFlow reads them."""
    source, bundle = CheckpointSource(prefix), Bundle(prefix)
    rest = []
    for entry in source.entries:
        values = bundle.read([entry.key])
        if values is None:
            rest.append(entry.name)
            continue
        (expected,) = source.read([entry.key])
        assert (values[0].shape, values[0].dtype) == (expected.shape, expected.dtype)
        assert values[0].numpy().tobytes() == expected.numpy().tobytes(), entry.name
    return len(source.entries) - len(rest), rest


@pytest.mark.parametrize("index", INDEXES, ids=lambda path: str(path.relative_to(FIXTURES)))
def test_values_of_every_version_are_those_that_tensorflow_reads(index: Path) -> None:
    count, rest = compared(str(index.with_suffix("")))
    is_partitioned = "partitioned" in str(index)
    assert count
    assert is_partitioned or set(rest) <= {"_CHECKPOINTABLE_OBJECT_GRAPH"}


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_of_every_dtype(dtype: str, tmp_path: Path) -> None:
    bits = np.random.default_rng(0).integers(0, 2, 6 * 16, np.uint8)
    values = tf.constant(bits.view(tf.as_dtype(dtype).as_numpy_dtype))
    count, rest = compared(write(f"{tmp_path}/ckpt", some=values, none=values[:0], one=values[0]))
    assert (count, rest) == (3, [])


def test_values_in_shards_and_with_prefixes_in_common(tmp_path: Path) -> None:
    parts = [
        write(f"{tmp_path}/part{i}", **{f"layer/with/a/long/name/{j}": tf.fill([j], float(j)) for j in range(i, 90, 3)})
        for i in range(3)
    ]
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=f"{tmp_path}/ckpt")
    assert len(list(tmp_path.glob("ckpt.data-*"))) == 3
    assert compared(f"{tmp_path}/ckpt") == (90, [])


def test_quantized_values(tmp_path: Path) -> None:
    values = tf.quantization.quantize(tf.linspace(-1.0, 1.0, 9), -1.0, 1.0, tf.qint8).output
    compared(write(f"{tmp_path}/ckpt", v=values))


def test_strings_and_parts_are_left_to_tensorflow(tmp_path: Path) -> None:
    assert compared(write(f"{tmp_path}/ckpt", s=tf.constant(["a", "bc"]), v=tf.ones([2]))) == (1, ["s"])
    tf.raw_ops.SaveV2(
        prefix=f"{tmp_path}/parts",
        tensor_names=["p", "p"],
        shape_and_slices=["4 0,2", "4 2,2"],
        tensors=[tf.ones([2]), tf.zeros([2])],
    )
    assert compared(f"{tmp_path}/parts") == (0, ["p"])


def test_what_is_elsewhere_or_of_version_1_is_left_to_tensorflow(tmp_path: Path) -> None:
    remote = write(f"ram://{tmp_path.name}/ckpt", v=tf.ones([2]))
    assert Bundle(remote).read(["v"]) is None
    tf.raw_ops.Save(filename=f"{tmp_path}/old", tensor_names=["v"], data=[tf.ones([2])])
    assert Bundle(f"{tmp_path}/old").read(["v"]) is None


def test_small_values_are_left_to_tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bundle, "_WORTH", 2**17)
    small = write(f"{tmp_path}/small", **{f"v{i}": tf.ones([64]) for i in range(9)})
    large = write(f"{tmp_path}/large", v=tf.ones([2**17]))
    assert Bundle(small).read(["v1"]) is None
    assert Bundle(large).read(["v"]) is not None


def test_a_file_that_was_replaced_since_is_left_to_tensorflow(tmp_path: Path) -> None:
    prefix = write(f"{tmp_path}/ckpt", v=tf.ones([2]))
    bundle = Bundle(prefix)
    assert bundle.read(["v"]) is not None
    late = Bundle(prefix)
    write(prefix, v=tf.zeros([2]))
    assert bundle.read(["v"]) is None
    assert not late._table  # It would say where values lie in another file.
    assert late.read(["v"]) is None


def test_no_damage_of_an_index_is_more_than_a_read_by_tensorflow(tmp_path: Path) -> None:
    whole = write(f"{tmp_path}/ckpt", **{f"v{i}": tf.ones([i]) for i in range(40)})
    index, dice = Path(f"{whole}.index"), random.Random(0)  # noqa: S311
    before = index.read_bytes()
    for _ in range(300):
        damaged = bytearray(before)
        damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
        index.write_bytes(damaged if dice.random() < 0.7 else before[: dice.randrange(len(before))])
        for i in (1, 39):
            values = Bundle(whole).read([f"v{i}"])
            assert values is None or len(values) == 1


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what TensorFlow reads."""
    noted: list[str] = []
    read = CheckpointSource.read

    def counted(self: Any, keys: Any, *into: Any) -> Any:
        noted.extend(keys)
        return read(self, keys, *into)

    monkeypatch.setattr(CheckpointSource, "read", counted)
    return noted


class Two(tf.Module):
    """Two variables of 4,000 bytes."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.a = tf.Variable(tf.fill([1000], value))
        self.b = tf.Variable(tf.fill([1000], -value))


def test_what_was_verified_is_not_verified_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = tf.train.Checkpoint(Two(3.0)).write(f"{tmp_path}/ckpt")
    noted, model = count_reads(monkeypatch), Two(0.0)
    pr.restore_subset(model, prefix, max_memory=4000)
    assert sorted(key for key in noted if "VALUE" in key) == [f"{name}/.ATTRIBUTES/VARIABLE_VALUE" for name in "ab"]
    assert (model.a[7].numpy(), model.b[7].numpy()) == (3.0, -3.0)


def test_damage_is_found_by_the_first_pass(tmp_path: Path) -> None:
    prefix = tf.train.Checkpoint(Two(3.0)).write(f"{tmp_path}/ckpt")
    data = Path(f"{prefix}.data-00000-of-00001")
    content = bytearray(data.read_bytes())
    content[5000] ^= 1
    data.write_bytes(content)
    model = Two(0.0)
    with pytest.raises(UnreadableCheckpointError):
        pr.restore_subset(model, prefix, max_memory=4000)
    assert not model.a.numpy().any()
    assert not model.b.numpy().any()


def test_a_checkpoint_that_is_replaced_between_the_passes_is_held_against_its_checksums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = tf.train.Checkpoint(Two(3.0)).write(f"{tmp_path}/ckpt")
    other = tf.train.Checkpoint(Two(5.0)).write(f"{tmp_path}/other")
    verify = _apply._verify

    def replaced(*arguments: Any) -> None:
        verify(*arguments)
        for ending in ("index", "data-00000-of-00001"):
            shutil.copy(f"{other}.{ending}", f"{prefix}.{ending}")

    monkeypatch.setattr(_apply, "_verify", replaced)
    noted, model = count_reads(monkeypatch), Two(0.0)
    pr.restore_subset(model, prefix, max_memory=8000 - 1)
    assert len([key for key in noted if "VALUE" in key]) == 4
    assert (model.a[7].numpy(), model.b[7].numpy()) == (5.0, -5.0)
