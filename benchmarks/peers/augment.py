"""Flip, crop, colour jitter and cutout by torchvision v2, a picture at a time, and by kornia.

    python augment.py torchvision|pil|kornia --pictures 2000 [--workers 2]

Prints a JSON line with pictures a second: the median of the passes over all pictures.
"""

import argparse
import json
import statistics
import time

import torch

SIZE, BATCH = 32, 250


def tolerant(real):
    """Let torchvision be imported where its compiled operators do not fit this torch."""

    def register_fake(*args, **kwargs):
        try:
            return real(*args, **kwargs)
        except RuntimeError:
            return lambda function: function

    def decorating(*args, **kwargs):
        found = register_fake(*args, **kwargs)

        def apply(function):
            try:
                return found(function)
            except RuntimeError:
                return function

        return apply

    return decorating


class Transformed(torch.utils.data.Dataset):
    """A picture at a time."""

    def __init__(self, given, transform):
        self.given, self.transform = given, transform

    def __len__(self):
        return len(self.given)

    def __getitem__(self, i):
        return self.transform(self.given[i])


def by_torchvision(pictures, *, pil, workers):
    torch.library.register_fake = tolerant(torch.library.register_fake)
    from torchvision.transforms import v2

    steps = [
        v2.RandomHorizontalFlip(),
        v2.RandomCrop(SIZE, padding=4, padding_mode="reflect"),
        v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
    ]
    if pil:
        from PIL import Image

        given = [Image.fromarray(p.permute(1, 2, 0).numpy()) for p in pictures]
        steps.append(v2.PILToTensor())
    else:
        given = list(pictures)
    steps.append(v2.RandomErasing(1.0, (0.0625, 0.0625), (1.0, 1.0), value=127))
    transform = v2.Compose(steps)
    if not workers:
        return lambda: torch.stack([transform(p) for p in given])
    loader = torch.utils.data.DataLoader(
        Transformed(given, transform), BATCH, num_workers=workers, persistent_workers=True
    )
    return lambda: [batch for batch in loader]  # noqa: C416 - a batch at a time


def by_kornia(pictures):
    from kornia import augmentation as k

    transform = k.AugmentationSequential(
        k.RandomHorizontalFlip(),
        k.RandomCrop((SIZE, SIZE), padding=4, padding_mode="reflect"),
        k.ColorJitter(0.4, 0.4, 0.4, 0.1, p=1.0),
        k.RandomErasing((0.0625, 0.0625), (1.0, 1.0), value=0.5, p=1.0),
    )
    return lambda: [transform(part.float() / 255) for part in pictures.split(BATCH)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("by", choices=("torchvision", "pil", "kornia"))
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--workers", type=int, default=0)
    asked = parser.parse_args()
    torch.manual_seed(0)
    pictures = torch.randint(0, 256, (asked.pictures, 3, SIZE, SIZE), dtype=torch.uint8)
    if asked.by == "kornia":
        run = by_kornia(pictures)
    else:
        run = by_torchvision(pictures, pil=asked.by == "pil", workers=asked.workers)
    run()
    taken = []
    for _ in range(asked.passes):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    print(json.dumps({"rate": asked.pictures / statistics.median(taken)}))


if __name__ == "__main__":
    main()
