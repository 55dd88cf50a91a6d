"""Seconds and memory until torchvision or Keras has read all of CIFAR-10's pictures.

python read.py torchvision|keras python|folder PATH
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
SPLITS = ("train", "test")


def by_torchvision(form, path):
    import torch

    from augment import tolerant

    torch.library.register_fake = tolerant(torch.library.register_fake)
    from torchvision import datasets
    from torchvision.transforms import v2

    # The batches here are written anew from the pictures, so that their MD5 sums are others.
    datasets.CIFAR10._check_integrity = lambda _: True
    datasets.CIFAR10._load_meta = lambda _: None
    whole = v2.PILToTensor()

    def run():
        if form == "python":
            arrays = [datasets.CIFAR10(path, train=split == "train").data for split in SPLITS]
            return sum(map(len, arrays)), sum(int(a.sum(dtype=np.int64)) for a in arrays)
        n = seen = 0
        for split in SPLITS:
            given = datasets.ImageFolder(Path(path) / split, whole)
            loader = torch.utils.data.DataLoader(given, 250, num_workers=os.cpu_count())
            for pictures, _ in loader:
                n, seen = n + len(pictures), seen + int(pictures.numpy().sum(dtype=np.int64))
        return n, seen

    return run


def by_keras(form, path):
    import keras
    from keras.src.datasets.cifar import load_batch

    def run():
        n = seen = 0
        if form == "python":
            names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
            for name in names:
                pictures, _ = load_batch(str(Path(path) / "cifar-10-batches-py" / name))
                n, seen = n + len(pictures), seen + int(pictures.sum(dtype=np.int64))
            return n, seen
        for split in SPLITS:
            given = keras.utils.image_dataset_from_directory(
                Path(path) / split, image_size=(32, 32), batch_size=250, verbose=False
            )
            for pictures, _ in given:
                n, seen = n + len(pictures), seen + int(pictures.numpy().sum(dtype=np.float64))
        return n, seen

    return run


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("by", choices=("torchvision", "keras"))
    parser.add_argument("form", choices=("python", "folder"))
    parser.add_argument("path")
    asked = parser.parse_args()
    run = {"torchvision": by_torchvision, "keras": by_keras}[asked.by](asked.form, asked.path)
    began = time.perf_counter()
    n, seen = run()
    taken = time.perf_counter() - began
    status = Path("/proc/self/status").read_text()  # of this process, without its workers
    memory = 1024 * int(status.partition("VmHWM:")[2].split()[0])
    print(json.dumps({"seconds": taken, "memory": memory, "n": n, "seen": seen}))


if __name__ == "__main__":
    main()
