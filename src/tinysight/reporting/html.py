"""The report: one self-contained HTML page made from what a run folder holds."""

from __future__ import annotations

import base64
import binascii
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tinysight.data import DATASETS
from tinysight.evaluation.fitting import OVERFIT_GAP, UNDERFIT_TRAIN, WIDEST
from tinysight.progress import Progress, duration
from tinysight.recipe import Recipe
from tinysight.reporting import formats, reading
from tinysight.reporting.gathering import Evaluated, Gathered, gather
from tinysight.reporting.plots import MANY, NAME, Plot, extremes, plots
from tinysight.reporting.theme import DARK, LIGHT, cut, drawable
from tinysight.run import RunFolder

__all__ = ["fill", "write_report"]

HERE = "tinysight.reporting"
SHOWN = 24  # cards a gallery
SIZES = 4  # of pictures, before the rest is only counted


def write_report(folder: RunFolder, progress: Progress | None = None) -> Path:
    """Write the run's report.html, and its figures as PNG and SVG files; return the page's path.

    Parts that the folder does not have are said to be missing.

    Raises:
        CheckpointError: a file of the run is there but cannot be read.
        ResourceError: the disk or the folder does not take the files.
    """
    run = gather(folder)
    with (progress or Progress(quiet=True)).counting("drawing the report") as shown:
        drawn = {plot.name: plot for plot in plots(run, shown)}
    files = {name: raw for plot in drawn.values() for name, raw in plot.files.items()}
    folder.write(files | {"report.html": _render(run, drawn, _repeat(folder, run))})
    return folder.report_html


def _render(run: Gathered, drawn: Mapping[str, Plot], repeat: _Repeat) -> str:
    main = run.main
    classes = [c.name for c in main.metrics.classes] if main else run.data.get("classes") or []
    return fill(
        "report.html.j2",
        run=run,
        main=main,
        plots=drawn,
        title=run.data.get("title") or run.data.get("name") or run.name,
        many=main is not None and len(main.metrics.classes) > MANY,
        numbered={i for i, name in enumerate(classes) if not drawable(name)},
        galleries=_galleries(main),
        numbers=list(_numbers(run)),
        splits=list(_splits(run.data, run.recipe)),
        counts=_counts(run.data),
        source=_source(run.data.get("source") or {}),
        fitting=run.fitting,
        limits={"gap": OVERFIT_GAP, "train": UNDERFIT_TRAIN, "widest": WIDEST},
        extremes=extremes(main.metrics) if main else "",
        curves=reading.curves(run.epochs, run.recipe.held_out),
        ending=reading.ending(run),
        reads=reading.reads(run),
        changed=run.recipe.changed(),
        recipe_json=json.dumps(run.recipe.model_dump(mode="json"), indent=2, ensure_ascii=False),
        repeat=repeat,
        layers=run.model.get("layers") or [],
    )


def fill(template: str, *, package: str = HERE, **values: Any) -> str:
    """Return a page; escaping is on, so that names can hold anything.

    Args:
        package: where the template lies; what it includes may lie here.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name, ".") for name in (package, HERE)]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(formats, name) for name in formats.__all__}
    return environment.get_template(template).render(light=LIGHT, dark=DARK, **values)


def _numbers(run: Gathered) -> Iterator[tuple[str, str, str]]:
    """The key numbers: name, value, remark."""
    main, last = run.main, run.last
    if main:
        m = main.metrics
        if m.top5:
            yield "Top-5 accuracy", formats.percent(m.top5.value, 2), formats.interval(m.top5)
        yield "Macro F1", f"{m.macro.f1:.3f}", "mean over the classes"
        yield "Loss", f"{m.loss:.3f}", "cross-entropy, nats"
    if run.model:
        yield "Parameters", formats.short(run.model["parameters"]), f"{run.model['parameters']:,}"
        yield "Operations", formats.short(run.model["flops"]), "FLOPs a picture, forward"
    if last.get("seconds"):
        yield "Training time", duration(last["seconds"]), "the training loop"
    if last.get("seconds_process"):
        yield "From the start", duration(last["seconds_process"]), "process start to saved model"
    if run.epochs:
        speed = sorted(row["pictures_per_second"] for row in run.epochs)[len(run.epochs) // 2]
        yield "Speed", f"{speed:,.0f}", "training pictures a second"
        best = run.best.get("epoch")
        chosen = f"best by {run.recipe.held_out}"
        kept = "kept" if run.recipe.final or run.recipe.keep == "last" else chosen
        remark = f"{kept}: epoch {best}" if best else ""
        yield "Epochs", f"{len(run.epochs)} of {run.recipe.epochs}", remark
    if last.get("peak_memory_bytes"):
        yield "Peak memory", formats.memory(last["peak_memory_bytes"]), "resident, whole process"


def _splits(data: Mapping[str, Any], recipe: Recipe) -> Iterator[tuple[str, int, str, str]]:
    """Each split: name, pictures, how they spread over the classes, and what it is used for."""
    for name, split in (data.get("splits") or {}).items():
        if not split:
            continue
        counts, classes = split["counts"], data["classes"]
        few, most = min(counts), max(counts)
        if few == most:
            spread = f"{few:,} of each class"
        else:
            rare, common = (cut(classes[counts.index(n)], NAME) for n in (few, most))
            spread = f"from {few:,} ({rare}) to {most:,} ({common})"
        yield name, split["n"], spread, _use(name, recipe)


def _use(split: str, recipe: Recipe) -> str:
    if split == "train":
        return "learning"
    if split == "test":
        selected = "choosing the checkpoint, and the number above"
        return selected if recipe.chosen_on == "test" else "the final number"
    if recipe.final:
        return "learning too: a final fit"
    if recipe.chosen_on == "test":
        return "learning too: protocol=source"
    if recipe.keep == "last":
        return "watching; the last checkpoint is kept"
    return "choosing the checkpoint"


def _counts(data: Mapping[str, Any]) -> list[tuple[str, list[int]]]:
    """Each class with its pictures in every split."""
    splits = [s for s in (data.get("splits") or {}).values() if s]
    return [(c, [s["counts"][i] for s in splits]) for i, c in enumerate(data.get("classes") or [])]


def _source(source: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was read, as names and texts; where it lay on this machine is nobody else's business."""
    sizes = [f"{s['height']}x{s['width']} ({s['n']:,})" for s in source.get("sizes") or []]
    more = source.get("distinct_sizes", len(sizes)) - SIZES
    if more > 0:
        sizes = [*sizes[:SIZES], f"and {more:,} more"]
    cuts = source.get("splits") or {}
    facts = {
        "Read from": source.get("kind"),
        "Label": source.get("label"),
        "Sizes found": ", ".join(sizes),
        "Modes found": _counted(source.get("modes")),
        "Formats found": _counted(source.get("formats")),
        "Unreadable, left out": f"{len(source['unreadable']):,}"
        if source.get("unreadable")
        else None,
        "Splits": ", ".join(f"{split}: {how}" for split, how in cuts.items()),
    }
    return [(name, str(value)) for name, value in facts.items() if value]


def _counted(found: Mapping[str, int] | None) -> str:
    return ", ".join(f"{name} ({n:,})" for name, n in (found or {}).items())


def _galleries(main: Evaluated | None) -> dict[str, list[Mapping[str, Any]]]:
    """Right and wrong cards as they come; those without a picture are left out."""
    if main is None:
        return {"wrong": [], "right": []}
    right = [c for c in main.right if _is_base64(c.get("png"))]
    wrong = [c for c in main.wrong if _is_base64(c.get("png"))]
    return {"wrong": wrong[:SHOWN], "right": right[:SHOWN]}


def _is_base64(text: Any) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except (TypeError, ValueError, binascii.Error):
        return False


class _Repeat(NamedTuple):
    """How a run is done again: what to know first, and what to type."""

    remark: str
    lines: Sequence[str]


def _repeat(folder: RunFolder, run: Gathered) -> _Repeat:
    """The command that does the run again, or Python where no command can."""
    source = run.data.get("source") or {}
    origin = source.get("origin", run.data.get("name"))
    options = source.get("options") or {}
    recipe = str(Path(_typed(str(folder.path))) / "recipe.json")
    whole = "The recipe.json of this run folder is the resolved recipe, complete."
    test = "test" in run.evaluated
    train = f"tinysight.train(data, {recipe!r}{', evaluate_test=True' if test else ''})"
    if not isinstance(origin, str):
        return _Repeat(
            f"{whole} The data was in memory, as arrays or as a data set; with the same `data`",
            ("import tinysight", "", train),
        )
    data = _typed(origin, given=run.environment.get("command") or "")
    given = _as_words(options)
    if given is not None:
        words = ["tinysight", "train", data, "--recipe", recipe, *given]
        words += ["--evaluate-test"] * test
        return _Repeat(f"{whole} On the same machine it gives the same weights:", [_shell(words)])
    default = type(run.recipe.data)()
    settings = {k: v for k, v in run.recipe.data if v != getattr(default, k)}
    arguments = [f"{k}={v!r}" for k, v in {**options, **settings}.items()]
    read = f"data = tinysight.load_data({', '.join([repr(data), *arguments])})"
    return _Repeat(
        f"{whole} The data was read in Python, with {' and '.join(options)} of its own. On the "
        "same machine it gives the same weights:",
        ("import tinysight", "", read, train),
    )


def _as_words(options: Mapping[str, Any]) -> list[str] | None:
    """The options of a reading as the command line has them; None where it has no words for one."""
    words = []
    for name, value in options.items():
        listed = [value] if name == "layout" else value
        if name == "skip_bad":
            words += ["--skip-bad"] * value
        elif name in ("classes", "layout", "value_range") and all(
            "," not in str(part) and str(part).strip() == str(part) for part in listed
        ):
            words.append(f"--{name.replace('_', '-')}={','.join(map(str, listed))}")
        else:
            return None
    return words


def _shell(words: Sequence[str]) -> str:
    """A command line as it is typed; everything printable is quoted where it must be."""
    return " ".join(map(shlex.quote, words))


def _typed(path: str, given: str = "") -> str:
    """A path or name as one would type it here: as the command `given` has it, or from here.

    An absolute path from elsewhere tells of a machine, and keeps its last name alone.
    """
    if not Path(path).is_absolute():
        return path
    try:
        words = shlex.split(given)
    except ValueError:
        words = []
    as_given = [w for w in words if "\0" not in w and Path(w).resolve() == Path(path)]
    if as_given:
        return as_given[0]
    here = Path.cwd()
    if not Path(path).is_relative_to(here):
        return f"path/to/{Path(path).name}"
    short = str(Path(path).relative_to(here))
    # Neither an option nor the name of a data set.
    return f"./{short}" if short.startswith("-") or short in DATASETS else short
