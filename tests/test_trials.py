"""Rounds of a benchmark, kept and gone on from."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
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
