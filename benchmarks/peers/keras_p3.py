"""P3's network and recipe in Keras on TensorFlow, as a user writes them. Prints JSON lines.

python keras_p3.py DATA.npz --epochs 1 --policy float32|mixed_bfloat16 [--decay] [--target 0.7]
"""

import argparse
import json
import os
import time

BEGAN = time.time()
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers


def network():
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(64, (3, 3), activation="relu", padding="same"),
            layers.BatchNormalization(),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(128, (3, 3), activation="relu", padding="same"),
            layers.BatchNormalization(),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(256, (3, 3), activation="relu", padding="same"),
            layers.BatchNormalization(),
            layers.MaxPooling2D((2, 2)),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax", dtype="float32"),
        ]
    )


class Watch(keras.callbacks.Callback):
    """Notes when each batch ends; says each epoch's outcome; stops at the target."""

    def __init__(self, target):
        super().__init__()
        self.target, self.ends = target, []

    def on_epoch_begin(self, epoch, logs=None):
        self.ends = [time.time()]

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(time.time())

    def on_epoch_end(self, epoch, logs=None):
        steps = np.diff(self.ends)
        said = {
            "epoch": epoch + 1,
            "epoch_seconds": self.ends[-1] - self.ends[0],
            "step_seconds": float(np.mean(steps[10:-1])),  # traced, and full batches
            "test_accuracy": float(logs["val_accuracy"]),
            "since_start": time.time() - BEGAN,
        }
        print(json.dumps(said), flush=True)
        if self.target and said["test_accuracy"] >= self.target:
            self.model.stop_training = True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--policy", default="float32")
    parser.add_argument("--decay", action="store_true", help="the rate falls in a line to 0")
    parser.add_argument("--standardise", action="store_true", help="else divided by 255 alone")
    parser.add_argument("--target", type=float)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    keras.utils.set_random_seed(asked.seed)
    keras.mixed_precision.set_global_policy(asked.policy)
    with np.load(asked.data) as data:
        x, y = data["x_train"].astype("float32") / 255, keras.utils.to_categorical(data["y_train"])
        tx, ty = data["x_test"].astype("float32") / 255, keras.utils.to_categorical(data["y_test"])
    if asked.standardise:
        mean, deviation = x.mean((0, 1, 2)), x.std((0, 1, 2))
        x, tx = (x - mean) / deviation, (tx - mean) / deviation
    model = network()
    total = asked.epochs * -(-len(x) // asked.batch)
    rate = keras.optimizers.schedules.PolynomialDecay(1e-3, total, 0.0) if asked.decay else 1e-3
    model.compile(keras.optimizers.Adam(rate), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        x, y, batch_size=asked.batch, epochs=asked.epochs, validation_data=(tx, ty),
        callbacks=[Watch(asked.target)], verbose=0,
    )  # fmt: skip


if __name__ == "__main__":
    main()
