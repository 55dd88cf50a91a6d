"""Augmentation of whole batches: pure functions of tensors, the randomness an argument.

`augment` and `mix` draw for each picture from (seed, epoch, index) alone; the modules beside hold
the transforms, with explicit parameters, one for each picture of the batch. Pictures are uint8
`n c h w` in channels-last memory, 0 to 255, c of 1 (grey) or 3 (RGB), in and out.

    pipeline   what a recipe asks for, in the order of its fields
    draws      the numbers, from a hash of (seed, epoch, stream, index)
    geometry   flip and crop, one resampling for every affine transform; smaller ones
    colour     brightness, contrast, saturation, hue
    tone       sharpness, posterise, solarise, autocontrast, equalise
    erasing    cutout and random erasing
    trivial    TrivialAugment
    mixing     mixup and cutmix
"""

from tinysight.augment.pipeline import augment, mix, size_at

__all__ = ["augment", "mix", "size_at"]
