"""The demo: fine-tuning a changed Keras model from a checkpoint, and the TensorFlow 1 story, on real digits."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import partial_restore as pr

tf1 = tf.compat.v1
Array = np.ndarray[Any, Any]


def digits() -> tuple[Array, Array, Array, Array]:
    """Return the UCI digits as train images, test images, train labels, test labels; images are (n, 8, 8, 1) in 0…1."""
    data = load_digits()
    images = data.images[..., None].astype(np.float32) / 16
    x_train, x_test, y_train, y_test = train_test_split(images, data.target, test_size=0.3, random_state=0)
    return x_train, x_test, y_train, y_test


def make_model(classes: int, *, is_changed: bool = False) -> keras.Model:
    """Return a small CNN; the changed one has a layer more in the middle, and its first layer frozen."""
    layers = keras.layers
    extra = [layers.Conv2D(32, 3, padding="same", activation="relu", name="extra")] if is_changed else []
    model = keras.Sequential(
        [
            layers.Input([8, 8, 1]),
            layers.Conv2D(32, 3, padding="same", activation="relu", name="conv1"),
            layers.BatchNormalization(name="norm"),
            layers.Conv2D(32, 3, padding="same", activation="relu", name="conv2"),
            *extra,
            layers.Flatten(),
            layers.Dense(64, activation="relu", name="features"),
            layers.Dense(classes, name="head"),
        ]
    )
    model.get_layer("conv1").trainable = not is_changed
    return compiled(model)


def compiled(model: keras.Model) -> keras.Model:
    """Compile a classifier."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(2e-3), loss, metrics=["accuracy"])
    return model


def fine_tune(folder: Path) -> None:
    """Train on five classes, save, change the model, restore, and train one epoch on all ten."""
    x_train, x_test, y_train, y_test = digits()
    few = y_train < 5
    model = make_model(5)
    model.fit(x_train[few], y_train[few], epochs=10, batch_size=32, verbose=0)
    path = tf.train.Checkpoint(model=model, optimizer=model.optimizer).save(str(folder / "five"))

    restored, fresh = make_model(10, is_changed=True), make_model(10, is_changed=True)
    report = pr.restore_subset(restored, path, exclude="head")
    print(report)
    for name, each in (("restored", restored), ("from scratch", fresh)):
        each.fit(x_train, y_train, epochs=1, batch_size=32, verbose=0)
        print(f"accuracy after one epoch, {name}: {each.evaluate(x_test, y_test, verbose=0)[1]:.3f}")


def graph_of(classes: int) -> tuple[tf.Tensor, tf.Tensor, tf.Operation, tf.Tensor]:
    """Build the classic graph in the default graph: two convolutions, a dense layer, an output."""
    images = tf1.placeholder(tf.float32, [None, 8, 8, 1], "images")
    labels = tf1.placeholder(tf.int64, [None], "labels")
    glorot = tf1.glorot_uniform_initializer()
    with tf1.variable_scope("var_name"):
        wc1 = tf1.get_variable("wc1", [3, 3, 1, 16], initializer=glorot)
        bc1 = tf1.get_variable("bc1", [16], initializer=tf1.zeros_initializer())
        wd1 = tf1.get_variable("wd1", [16 * 16, 64], initializer=glorot)
        bd1 = tf1.get_variable("bd1", [64], initializer=tf1.zeros_initializer())
        wout = tf1.get_variable("wout", [64, classes], initializer=glorot)
        bout = tf1.get_variable("bout", [classes], initializer=tf1.zeros_initializer())
    hidden = tf.nn.max_pool2d(tf.nn.relu(tf.nn.conv2d(images, wc1, 1, "SAME") + bc1), 2, 2, "SAME")
    hidden = tf.nn.relu(tf.reshape(hidden, [-1, 16 * 16]) @ wd1 + bd1)
    logits = hidden @ wout + bout
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    step = tf1.train.AdamOptimizer(2e-3).minimize(loss)
    accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), labels), tf.float32))
    return images, labels, step, accuracy


def train(session: tf1.Session, graph: tuple[Any, ...], x: Array, y: Array, epochs: int) -> None:
    """Run epochs of training steps in batches of 32."""
    images, labels, step, _ = graph
    for _ in range(epochs):
        for start in range(0, len(x), 32):
            session.run(step, {images: x[start : start + 32], labels: y[start : start + 32]})


def classic(folder: Path) -> None:
    """Do in a `tf.Graph` what took a hand-picked list, two Savers and a run of initializers."""
    x_train, x_test, y_train, y_test = digits()
    few = y_train < 5
    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        parts = graph_of(5)
        session.run(tf1.global_variables_initializer())
        train(session, parts, x_train[few], y_train[few], epochs=10)
        path = tf1.train.Saver(tf1.trainable_variables()).save(session, str(folder / "classic"))
    print(pr.list_checkpoint(path))

    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        parts = graph_of(10)
        report = pr.restore_subset(graph, path, exclude=["var_name/wout", "var_name/bout"], session=session)
        print(report)
        train(session, parts, x_train, y_train, epochs=1)
        accuracy = session.run(parts[-1], {parts[0]: x_test, parts[1]: y_test})
        print(f"accuracy after one epoch, restored graph: {accuracy:.3f}")
        everything = tf1.train.Saver().save(session, str(folder / "everything"))
        head = pr.save_subset(graph, folder / "head", include=["var_name/wout", "var_name/bout"], session=session)
    print(f"saved {len(pr.list_checkpoint(everything))} tensors, and the head alone:")
    print(pr.list_checkpoint(head))


def main() -> None:
    """Tell both stories."""
    keras.utils.set_random_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        print("== Fine-tuning a changed Keras model ==")
        fine_tune(Path(folder))
        print("\n== The same in a TensorFlow 1 graph ==")
        classic(Path(folder))


if __name__ == "__main__":
    main()
