"""Pictures a second of P3's network in eager PyTorch and in Keras's predict; weights random.

python infer.py torch|keras --batch 256 --pictures 5120
"""

import argparse
import json
import os
import statistics
import time

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def by_torch(pictures, batch):
    import torch
    from torch_loop import p3

    model = p3().eval()
    tensors = torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()

    def run():
        with torch.no_grad():
            for part in tensors.split(batch):
                model(part.float() / 255).softmax(1)

    return run


def by_keras(pictures, batch):
    from keras_p3 import network

    model = network()
    floats = pictures.astype("float32") / 255
    return lambda: model.predict(floats, batch_size=batch, verbose=0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("by", choices=("torch", "keras"))
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--pictures", type=int, default=2560)
    parser.add_argument("--passes", type=int, default=5)
    asked = parser.parse_args()
    shape = (asked.pictures, 32, 32, 3)
    pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    run = {"torch": by_torch, "keras": by_keras}[asked.by](pictures, asked.batch)
    run()
    taken = []
    for _ in range(asked.passes):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    print(json.dumps({"rate": asked.pictures / statistics.median(taken)}))


if __name__ == "__main__":
    main()
