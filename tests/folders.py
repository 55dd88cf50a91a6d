"""What tests of run folders share: making one, and changing its files behind its back."""

from pathlib import Path

from tinysight.run import RunFolder, manifest


def new_folder(stem: str, out: str | Path | None = None) -> RunFolder:
    """A run folder that is claimed and of which the trainer is gone."""
    with RunFolder.made(stem, out) as folder:
        return folder


def sealed(folder: RunFolder, name: str, content: str | bytes) -> None:
    """Write a file as the run itself would: whatever is in it, its sum is right."""
    folder.write({name: content})


def reseal(run: Path) -> None:
    """Make the sums right again, of files that were changed behind the run's back."""
    there = {n: (run / n).read_bytes() for n in manifest.names(run) if (run / n).is_file()}
    (run / "manifest.json").unlink()
    manifest.write(run, there)
