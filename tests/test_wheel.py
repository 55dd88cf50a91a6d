"""The wheel, installed where nothing else is, does the main job."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_wheel_does_the_main_job_in_a_fresh_environment(tmp_path: Path) -> None:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}

    def run(*words: str | Path) -> str:
        said = subprocess.run(
            [str(w) for w in words], cwd=tmp_path, env=clean, capture_output=True, text=True
        )
        assert said.returncode == 0, said.stderr[-3000:]
        return said.stdout

    run(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    run(sys.executable, "-m", "venv", tmp_path / "fresh")
    programs = tmp_path / "fresh" / "bin"
    constraints = ROOT / "constraints.txt"
    run(programs / "python", "-m", "pip", "install", "-q", "-c", constraints, wheel)
    said = run(programs / "tinysight", "train", "digits", "epochs=2", "--evaluate-test")
    assert "test accuracy" in said
    page = (tmp_path / "runs" / "digits-quick-001" / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    if sys.platform == "linux" and shutil.which("gcc"):
        kernels = "tinysight.training.kernels.library"
        run(programs / "python", "-c", f"import torch, {kernels} as k; k.build(torch.float32)")
