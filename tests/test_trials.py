"""Rounds of a benchmark, kept and gone on from."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks import trials
from benchmarks.trials import in_turns


def test_rounds_of_the_same_command_are_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, ran = tmp_path / "record.jsonl", []

    def contestant(name: str) -> Any:
        def turn(number: int) -> dict[str, Any]:
            ran.append((name, number))
            return {"rate": 10.0 * number, "reached": {"70": {"seconds": number}}}

        return turn

    monkeypatch.setattr(trials, "_commit", lambda: "0123456")
    both = {name: contestant(name) for name in ("ours", "theirs")}
    monkeypatch.setattr(sys, "argv", ["step.py", "--model", "p3", "-n", "1"])
    first = in_turns(both, 1, record)
    assert ran == [("ours", 0), ("theirs", 0)]
    # The second round is cut: a contestant short, and its line.
    whole = json.loads(record.read_text().splitlines()[0])
    with record.open("a") as file:
        file.write(json.dumps(whole | {"round": 1}) + "\n" + '{"name": "theirs", "rou\n')
    ran.clear()
    monkeypatch.setattr(sys, "argv", ["step.py", "-n", "2", "--model", "p3", "--record", "x"])
    second = in_turns(both, 2, record)
    assert ran == [("ours", 1), ("theirs", 1)]
    assert {name: turns[:1] for name, turns in second.items()} == first
    assert second["ours"][1]["reached"] == {"70": {"seconds": 1}}
    ran.clear()
    assert in_turns(both, 2, record) == second
    assert not ran
    for other in (["step.py", "--model", "resnet9"], ["growth.py", "--model", "p3"]):
        monkeypatch.setattr(sys, "argv", other)
        ran.clear()
        in_turns(both, 1, record)
        assert len(ran) == 2
    monkeypatch.setattr(sys, "argv", ["step.py", "--model", "p3"])
    for commit in ("76543210", "0123456+"):  # other code, and code that is not committed
        monkeypatch.setattr(trials, "_commit", lambda c=commit: c)
        for _ in range(2 if commit[-1] == "+" else 1):
            ran.clear()
            in_turns(both, 1, record)
            assert len(ran) == 2


def test_a_record_s_commit_is_that_of_the_code(tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    (source / "a.py").write_text("1")
    assert trials._commit(tmp_path) == "+"  # no repository

    def git(*words: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        return subprocess.check_output(["git", "-C", str(tmp_path), *who, *words], text=True)

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    first = git("log", "-1", "--format=%h").strip()
    (tmp_path / "notes.md").write_text("no code")
    git("add", ".")
    git("commit", "-qm", "two")
    assert trials._commit(tmp_path) == first
    (source / "a.py").write_text("2")
    assert trials._commit(tmp_path) == f"{first}+"
