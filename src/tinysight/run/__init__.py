"""The run folder that carries a training from stage to stage.

folder.py   its paths, its writing and reading, its checkpoints
forms.py    what its JSON files must hold
files.py    files written whole or not at all
"""

from tinysight.run.files import write_atomic
from tinysight.run.folder import Checkpoint, RunFolder

__all__ = ["Checkpoint", "RunFolder", "write_atomic"]
