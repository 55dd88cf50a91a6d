"""The run folder that carries a training from stage to stage.

folder.py       its paths, its writing and reading
making.py       where a new one may be, and making it
folders.py      new folders of any kind, with the next free number
manifest.py     every file of it with its SHA-256 sum, which every load is checked by
checkpoints.py  weights, and what a training needs to go on
metrics.py      metrics.csv, a row an epoch
reads.py        the record of every read of the test labels
forms.py        what its JSON files must hold
lock.py         one trainer in it at a time
log.py          log.txt, with warnings and tracebacks
files.py        files written whole or not at all
"""

from tinysight.run.checkpoints import Checkpoint, Unfinished
from tinysight.run.files import write_atomic
from tinysight.run.folder import RunFolder
from tinysight.run.manifest import Checked

__all__ = ["Checked", "Checkpoint", "RunFolder", "Unfinished", "write_atomic"]
