"""Damaged bytes, drawn by hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

__all__ = ["mutants"]


@st.composite
def mutants(draw: st.DrawFn, raw: bytes) -> bytes:
    """Cut, flipped, moved, doubled or written over, once to four times."""
    for _ in range(draw(st.integers(1, 4))):
        at, to = sorted(draw(st.integers(0, len(raw))) for _ in range(2))
        new = draw(
            st.sampled_from([b"", raw[at:to] * 2, raw[at:to][::-1], draw(st.binary(max_size=9))])
        )
        raw = raw[:at] + new + raw[to if new or draw(st.booleans()) else at + 1 :]
    return raw
