"""The run folder that carries a training from stage to stage.

folder.py       its paths, its writing and reading
checkpoints.py  weights, and a manifest that names them with their SHA-256 sum
reads.py        the record of every read of the test labels
forms.py        what its JSON files must hold
files.py        files written whole or not at all
"""

from tinysight.run.checkpoints import Checkpoint
from tinysight.run.files import write_atomic
from tinysight.run.folder import RunFolder

__all__ = ["Checkpoint", "RunFolder", "write_atomic"]
