"""A plain PyTorch training, as a user writes it, and a tuned one. Prints JSON lines.

    python torch_loop.py DATA.npz --net p3|resnet18 --epochs 1 [--tuned [--compile]] [--decay]

Plain: a Dataset, a DataLoader with two workers, transforms a picture, fp32. Tuned: tensors in
memory, autocast to bf16, channels-last, a fused Adam; torch.compile on top where it is asked for.
"""

import argparse
import json
import time

BEGAN = time.time()

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Pictures(Dataset):
    """One picture at a time, to a float tensor, normalised."""

    mean = torch.tensor([0.4914, 0.4822, 0.4465])[:, None, None]
    deviation = torch.tensor([0.2470, 0.2435, 0.2616])[:, None, None]

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        picture = torch.from_numpy(self.x[i]).permute(2, 0, 1).float() / 255
        return (picture - self.mean) / self.deviation, int(self.y[i])


def p3():
    """P3's network, with Keras's start and norms, so that accuracies can be compared."""

    def block(inside, outside):
        return [
            nn.Conv2d(inside, outside, 3, padding=1), nn.ReLU(),
            nn.BatchNorm2d(outside, eps=1e-3, momentum=0.01), nn.MaxPool2d(2),
        ]  # fmt: skip

    model = nn.Sequential(
        *block(3, 64), *block(64, 128), *block(128, 256), nn.Flatten(),
        nn.Linear(4096, 256), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10),
    )  # fmt: skip
    for layer in model:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return model


class Basic(nn.Module):
    """The basic block of ResNet-18."""

    def __init__(self, inside, outside, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outside)
        self.side = nn.Sequential()
        if stride != 1 or inside != outside:
            self.side = nn.Sequential(
                nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)
            )

    def forward(self, x):
        found = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(found + self.side(x))


def resnet18():
    stages = [(64, 1), (128, 2), (256, 2), (512, 2)]
    parts, inside = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()], 64
    for outside, stride in stages:
        parts += [Basic(inside, outside, stride), Basic(outside, outside, 1)]
        inside = outside
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def batches(pictures, size, *, tuned, shuffle):
    if not tuned:
        yield from DataLoader(pictures, size, shuffle=shuffle, num_workers=2)
        return
    order = torch.randperm(len(pictures)) if shuffle else torch.arange(len(pictures))
    x, y = torch.from_numpy(pictures.x), torch.from_numpy(pictures.y)
    for at in order.split(size):
        part = x[at].permute(0, 3, 1, 2).float().div(255)
        yield (part - pictures.mean) / pictures.deviation, y[at]


def accuracy(model, pictures, *, tuned):
    model.eval()
    hits = 0
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, tuned):
        for x, y in batches(pictures, 500, tuned=tuned, shuffle=False):
            hits += int((model(x).argmax(1) == y).sum())
    model.train()
    return hits / len(pictures)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--net", default="p3", choices=("p3", "resnet18"))
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--decay", action="store_true", help="the rate falls in a line to 0")
    parser.add_argument("--target", type=float)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.manual_seed(asked.seed)
    with np.load(asked.data) as data:
        train = Pictures(data["x_train"], data["y_train"].astype("int64"))
        test = Pictures(data["x_test"], data["y_test"].astype("int64"))
    model = {"p3": p3, "resnet18": resnet18}[asked.net]()
    if asked.tuned:
        model = model.to(memory_format=torch.channels_last)
    forward = torch.compile(model) if asked.compile else model
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=asked.tuned)
    total = asked.epochs * -(-len(train) // asked.batch)
    left = (lambda step: 1 - step / total) if asked.decay else (lambda step: 1.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, left)
    for epoch in range(1, asked.epochs + 1):
        ends = [time.time()]
        for x, y in batches(train, asked.batch, tuned=asked.tuned, shuffle=True):
            with torch.autocast("cpu", torch.bfloat16, asked.tuned):
                loss = F.cross_entropy(forward(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            ends.append(time.time())
        reached = accuracy(model, test, tuned=asked.tuned)
        said = {
            "epoch": epoch,
            "epoch_seconds": ends[-1] - ends[0],
            "step_seconds": float(np.mean(np.diff(ends)[10:-1])),  # compiled, and full batches
            "test_accuracy": reached,
            "since_start": time.time() - BEGAN,
        }
        print(json.dumps(said), flush=True)
        if asked.target and reached >= asked.target:
            break


if __name__ == "__main__":
    main()
