"""A network of the user's own, `path.py:name`: a torch module, a Keras model, or what returns one.

The file is run when the network is built. Its SHA-256 sum stands in the recipe beside its name, so
that a run is never taken up with another network than it was trained with; and a sum that the user
has not named on this machine is not run at all, see `trust`. Modules beside the file that it
imports are summed with it and kept in the run, see `beside`.
"""

from __future__ import annotations

import inspect
import os
import random
import runpy
import sys
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from tinysight.errors import ModelError, RecipeError, unknown
from tinysight.models import trust
from tinysight.models.beside import Module, imported, importing, summed
from tinysight.models.examine import examined
from tinysight.models.keras_network import KerasNetwork, is_keras

__all__ = ["build", "is_foreign", "resolve", "sources"]

SUM = "sha256"  # the option in which the file's sum stands
run_from: set[Path] = set()  # folders of the files that this process has run


def is_foreign(name: str) -> bool:
    """Say whether a model's name is that of a network in a file.

    >>> is_foreign("nets.py:small"), is_foreign("resnet18")
    (True, False)
    """
    return ".py:" in name


def resolve(name: str, options: dict[str, Any], *, named: bool) -> tuple[str, dict[str, Any]]:
    """Return the name with its whole path, and the options with the file's sum.

    Args:
        named: by the user just now, who thereby trusts the file.

    Raises:
        RecipeError: no such file, or another than the sum in the options says.
        ModelError: the user has not named it on this machine.
    """
    path, attribute = _parts(name)
    _, digest = _checked(path, options)
    if named:
        trust.add(digest)
    elif not trust.knows(digest):
        raise ModelError(
            f"{path} is code that you have not run on this machine before, so it is not run now; "
            f"read it, then allow it: tinysight train DATA model={path}:{attribute} --dry-run"
        )
    return f"{path}:{attribute}", {**options, SUM: digest}


def _checked(path: Path, options: dict[str, Any]) -> tuple[dict[str, Module], str]:
    """What the file imports from beside it, and the sum of both.

    The sum in the options has to agree with it, if there is one.
    """
    text = _source(path, again=SUM in options)
    modules = imported(path)
    digest = summed(text, modules)
    expected = options.get(SUM, digest)
    if digest != expected:
        raise RecipeError(
            f"{path}, or what it imports from beside it, is not what it was: sha256 "
            f"{str(expected)[:16]}… expected, {digest[:16]}… found; the run's network.py, and "
            "network.MODULE.py for each import, are what they were, or train anew"
        )
    return modules, digest


def sources(name: str) -> dict[str, bytes]:
    """Return the file that a network is in, and what it imports from beside it.

    As a run keeps them: network.py, and network.MODULE.py for each module.
    """
    path, _ = _parts(name)
    modules = {f"network.{name}.py": module.text for name, module in imported(path).items()}
    return {"network.py": _source(path)} | modules


def build(
    name: str, options: dict[str, Any], shape: tuple[int, int, int], classes: int, *, seed: int
) -> tuple[nn.Module, str, torch.memory_format]:
    """Return the network, from normalised pictures (n c h w) to logits (n k), and a note on it.

    The third that is returned is how its weights and pictures must lie in memory: channels-last, or
    contiguous where it does not take that (`x.view(n, -1)` does not).

    A function is called with `shape` (h w c) and `classes`, if it takes arguments of these names,
    and with the options. What comes before a softmax at the network's end is what is taken, by the
    layer that is last, never by the values.

    Raises:
        RecipeError: options that it does not take, or another file than the sum in them says.
        ModelError: the file cannot be run, has no such name, or what is there is no network for
            these pictures and classes.
    """
    path, attribute = _parts(name)
    modules, digest = _checked(path, options)
    again = partial(build, name, options, shape, classes, seed=seed)
    options = {key: value for key, value in options.items() if key != SUM}
    cpu: AbstractContextManager[object] = nullcontext()
    if any(b"keras" in text for text in (_source(path), *(m.text for m in modules.values()))):
        os.environ.setdefault("KERAS_BACKEND", "torch")
        with suppress(ImportError):  # which draws numbers, the first time
            import keras

            cpu = keras.device("cpu")
    gradients = torch.inference_mode(False)  # the network is examined by the graph that they take
    with gradients, _seeded(seed), importing(path.parent, modules, digest), cpu:
        found = _named(path, attribute)
        if not isinstance(found, nn.Module):
            found = _called(found, name, options, shape, classes)
        elif options:
            raise RecipeError(str(unknown(f"option of model {name}", next(iter(options)), [])))
        if not isinstance(found, nn.Module):
            raise ModelError(
                f"{name} is {type(found).__name__}, expected a torch module, a Keras model on "
                "torch's backend, or a function that returns one"
            )
        if is_keras(found):
            made = partial(KerasNetwork.made, found, name, shape)
            net: nn.Module = made(lambda: cast(KerasNetwork, again()[0]))
            said = f"Keras {sys.modules['keras'].__version__} model"
        else:
            net, said = found, "torch module"
        memory_format = examined(net, name, shape, classes)
    if memory_format == torch.contiguous_format:
        said += ", contiguous in memory: it does not take channels-last pictures"
    return net, f"own network, a {said}", memory_format


def _parts(name: str) -> tuple[Path, str]:
    """The file and the name in it."""
    path, _, attribute = name.rpartition(":")
    if not attribute.isidentifier():
        raise RecipeError(f"model {name}: expected path.py:name, got {attribute!r} for the name")
    return Path(path).expanduser().resolve(), attribute


def _source(path: Path, *, again: bool = False) -> bytes:
    """Read a file; of one that a run was trained with, say where a copy of it is."""
    try:
        return path.read_bytes()
    except OSError as error:
        copy = "; the run's network.py is a copy of it: put that there" if again else ""
        raise RecipeError(f"cannot read {path}: {error.strerror}{copy}") from None


def _named(path: Path, attribute: str) -> Any:
    """What the file calls so, after it was run."""
    run_from.add(path.parent)
    try:
        found = runpy.run_path(str(path), run_name=path.stem)
    except SystemExit:
        raise ModelError(
            f"{path} ends the program when it is run (sys.exit, or arguments that it reads): put "
            "that below if __name__ == '__main__':"
        ) from None
    except Exception as error:
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if _is(f, path)]
        where = f", line {lines[-1]}" if lines else ""
        missing = isinstance(error, ModuleNotFoundError) and error.name == "keras"
        hint = "; install it: pip install 'tinysight[keras]'" if missing else ""
        raise ModelError(f"{path}{where}: {type(error).__name__}: {error}{hint}") from error
    if attribute not in found:
        public = [key for key in found if not key.startswith("_")]
        raise RecipeError(str(unknown(f"name in {path}", attribute, public)))
    return found[attribute]


def _is(frame: traceback.FrameSummary, path: Path) -> bool:
    return Path(frame.filename) == path


def _called(
    function: Any,
    name: str,
    options: dict[str, Any],
    shape: tuple[int, int, int],
    classes: int,
) -> Any:
    if not callable(function):
        return function
    takes = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in takes.values()):
        takes = {**takes, **dict.fromkeys(options)}
    given = {k: v for k, v in {"shape": shape, "classes": classes}.items() if k in takes}
    for option in options:
        if option not in takes or option in given:
            own = [key for key in takes if key not in ("shape", "classes")]
            raise RecipeError(str(unknown(f"option of model {name}", option, own)))
    try:
        inspect.signature(function).bind(**given, **options)
    except TypeError as error:
        raise RecipeError(
            f"{name} is called with shape, classes and the options of model: {error}"
        ) from None
    try:
        return function(**given, **options)
    except (Exception, SystemExit) as error:
        raise ModelError(f"{name}: {type(error).__name__}: {error}") from error


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw from Python's and NumPy's global generators, as Keras does, by the seed alone."""
    before = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
