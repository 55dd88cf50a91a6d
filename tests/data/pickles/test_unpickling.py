"""Pickles read by an allow-list: what writes CIFAR is read, all else is refused without effect."""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import pickletools
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.mutants import mutants

from tinysight.data.pickles import opcodes, unpickle
from tinysight.errors import DataError

read = functools.partial(unpickle, where="the batch", largest=10**6)
PIXELS = np.random.default_rng(0).integers(0, 256, (7, 3072), dtype=np.uint8)
BATCH = {
    "batch_label": "training batch 1 of 5",
    "labels": [0, 9, 3, 3, 255, 256, 65535],
    "filenames": [f"cat_s_{i:06d}.png" for i in range(7)],
    "numbers": [65536, -1, -129, 2**31 - 1, -(2**31), 2**40, -(2**40), 1.5, -1e-9, 1e300],
    "more": (True, False, None, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], {}, {3: "x"}),
    "bytes": b"\0\xff\n\\",
    "empty": b"",
    "text": "größer \u4e2d \\ \n \U0001f600",
}


def python2(value: Any, memo: bool = True) -> bytes:
    """A pickle of protocol 2 as Python 2's cPickle wrote it, by the list of its operations."""
    count = iter(range(10**6))

    def remember() -> bytes:
        i = next(count)
        return b"" if not memo else b"q" + bytes([i]) if i < 256 else b"r" + i.to_bytes(4, "little")

    def put(o: Any) -> bytes:
        if isinstance(o, str | bytes):
            raw = o.encode() if isinstance(o, str) else o
            head = (
                b"U" + bytes([len(raw)])
                if len(raw) < 256
                else b"T" + len(raw).to_bytes(4, "little")
            )
            return head + raw + remember()
        if isinstance(o, bool):
            return b"\x88" if o else b"\x89"
        if isinstance(o, int):
            if 0 <= o < 256:
                return b"K" + bytes([o])
            return b"J" + o.to_bytes(4, "little", signed=True)
        if isinstance(o, tuple):
            return b"(" + b"".join(map(put, o)) + b"t" + remember()
        if isinstance(o, list):
            return b"]" + remember() + b"(" + b"".join(map(put, o)) + b"e"
        if isinstance(o, dict):
            items = b"".join(put(k) + put(v) for k, v in o.items())
            return b"}" + remember() + b"(" + items + b"u"
        kind = b"cnumpy\ndtype\n" + remember() + put(("u1", 0, 1)) + b"R" + remember()
        kind += b"(" + put(3) + put("|") + b"NNN" + put(-1) + put(-1) + put(0) + b"tb"
        make = b"cnumpy.core.multiarray\n_reconstruct\n" + remember() + b"(cnumpy\nndarray\n"
        make += remember() + put((0,)) + put("b") + b"tR" + remember()
        state = put(1) + put(o.shape) + kind + put(False) + put(o.tobytes())
        return make + b"(" + state + b"t" + remember() + b"b"

    return b"\x80\x02" + put(value) + b"."


def refused(text: str, raw: bytes, largest: int = 10**6) -> None:
    with pytest.raises(DataError) as error:
        unpickle(raw, where="the batch", largest=largest)
    assert text in str(error.value)
    assert str(error.value).startswith("the batch ")
    assert str(error.value).isprintable()


def same(found: Any, given: Any) -> None:
    """Equal to the last type: True is no 1."""
    assert found == given
    assert repr(found) == repr(given)


# What writes CIFAR is read


@pytest.mark.parametrize("protocol", range(6))
def test_python3(protocol: int) -> None:
    same(read(pickle.dumps(BATCH, protocol)), BATCH)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_of_python3(protocol: int, order: Any) -> None:
    for pixels in (PIXELS, PIXELS[:0], PIXELS[:1, :5], PIXELS.reshape(-1), np.tile(PIXELS, (9, 1))):
        array = np.array(pixels, order=order)
        found = read(pickle.dumps({b"data": array, "then": array.shape}, protocol))
        assert found[b"data"].dtype == np.uint8
        np.testing.assert_array_equal(found[b"data"], array)
        assert found["then"] == array.shape


@pytest.mark.parametrize("protocol", range(6))
def test_an_array_of_numpy_1(protocol: int) -> None:
    raw = pickle.dumps(PIXELS[:1, :9], protocol)
    # The module's name had an underscore less; its length stands before it from protocol 4 on.
    old = raw.replace(b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray")
    old = old.replace(b"\x8c\x13numpy._core.numeric", b"\x8c\x12numpy.core.numeric")
    old = old.replace(b"numpy._core", b"numpy.core")
    if protocol >= 4:
        size = int.from_bytes(old[3:11], "little")
        old = old[:3] + (size - 1).to_bytes(8, "little") + old[11:]
    assert old != raw
    np.testing.assert_array_equal(read(old), PIXELS[:1, :9])


@pytest.mark.parametrize("memo", [True, False])
def test_python2(memo: bool) -> None:
    labels = [3, 0, 300, -1]
    raw = python2({"data": PIXELS, "labels": labels, "label": "a" * 300, "t": (True,)}, memo)
    found = read(raw)
    np.testing.assert_array_equal(found.pop(b"data"), PIXELS)
    assert found == {b"labels": labels, b"label": b"a" * 300, b"t": (True,)}


def test_our_writer_writes_what_python_reads() -> None:
    """The control of the writer above, by the disassembler, which runs nothing."""
    text: list[str] = []

    class Lines:
        write = staticmethod(text.append)

    pickletools.dis(python2({"data": PIXELS[:1, :3], "labels": [1]}), Lines())  # pyright: ignore[reportArgumentType]
    assert "highest protocol among opcodes = 2" in "".join(text)


def test_a_frozen_array_and_one_that_is_met_twice() -> None:
    array = PIXELS.copy()
    array.flags.writeable = False
    assert (read(pickle.dumps(array, 5)) == PIXELS).all()
    twice = read(pickle.dumps([array, array], 2))
    assert twice[0] is twice[1]
    assert (twice[1] == PIXELS).all()


def test_the_array_is_not_copied() -> None:
    raw = pickle.dumps(np.zeros((100, 3072), np.uint8), 4)
    found = read(raw)
    assert not found.flags.writeable
    assert np.shares_memory(found, np.frombuffer(raw, np.uint8))


def test_a_list_that_holds_itself() -> None:
    own: list[Any] = [1]
    own.append(own)
    found = read(pickle.dumps(own, 2))
    assert found[1] is found


# All else is refused


class Call:
    """Pickled as a call."""

    def __init__(self, function: Any, *given: Any) -> None:
        self.call = function, given

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(6))
def test_a_command_is_refused_without_effect(protocol: int, tmp_path: Path) -> None:
    target = tmp_path / "harm"
    for call in (Call(os.system, f"touch {target}"), Call(exec, f"open({str(target)!r}, 'w')")):
        raw = pickle.dumps({"data": PIXELS, "labels": call}, protocol)
        refused("refused: the pickle asks for ", raw)
        refused(
            "; a CIFAR batch holds byte strings, numbers, lists, dicts and one uint8 array", raw
        )
    assert not target.exists()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Call(os.system, "true"), f"asks for {os.name}.system"),
        (Call(bytes, 2**40), "asks for builtins.bytes"),
        (Call(bytearray, 2**40), "asks for builtins.bytearray"),
        (Call(np.zeros, (2**40,)), "asks for numpy.zeros"),
        (Call(getattr, "", "join"), "asks for builtins.getattr"),
        (OrderedDict(), "asks for collections.OrderedDict"),
        ({1, 2}, "uses the operation EMPTY_SET"),
        (1j, "asks for builtins.complex"),
        (2**70, "holds a number of 9 bytes"),
        (np.int64(3), "asks for numpy._core.multiarray.scalar"),
        (np.zeros(3), "holds an array of type f8"),
        (np.zeros(3, np.int8), "holds an array of type i1"),
        (np.zeros(3, bool), "holds an array of type b1"),
        (np.zeros(3, "S4"), "holds an array of type S4"),
        (np.array([{}]), "holds an array of type O8"),
        (np.zeros(3, [("a", "u1")]), "holds an array of type V1"),
        ([PIXELS, PIXELS.copy()], "holds more than one array"),
        (np.dtype("u1"), "holds another kind of object"),
        (["x" * 70_000], "holds another kind of object"),
        ({("a",): 1}, "or keys that are no strings"),
        ({i: i for i in range(1001)}, "has more than 1,000 keys"),
        (functools.reduce(lambda x, _: [x], range(9), 0), "holds lists in lists deeper than 8"),
        (np.zeros((1,) * 5, np.uint8), "holds an array of an impossible shape"),
    ],
)
def test_what_is_no_batch_is_refused(value: Any, text: str) -> None:
    refused(text, pickle.dumps(value, 4))


PLAIN_ARRAY = pickle.dumps(np.arange(3, dtype=np.uint8), 2)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "asks for os.system"),
        (b"(S'true'\nios\nsystem\n.", "uses the operation STRING"),
        (b"(ios\nsystem\n.", "uses the operation INST"),
        (b"(N\x81.", "uses the operation NEWOBJ"),
        (b"(Pabc\n.", "uses the operation PERSID"),
        (b"]\x82\x01.", "uses the operation EXT1"),
        (b"]\xf7.", "uses the operation of the code 247"),
        (b"\x80\x06N.", "is of protocol 6"),
        (b"c_codecs\nencode\n(Vx\nVutf-8\ntR.", "calls encode in a way that numpy does not"),
        (b"c__builtin__\nbytes\n(I1000000000000\ntR.", "calls bytes in a way that numpy does not"),
        (b"N)R.", "calls what is no function"),
        (b"]}b.", "gives a state to what is no uint8 array"),
        (b"cnumpy\nndarray\n.", "holds another kind of object"),
        (
            b"c_codecs\nencode\n(" + b"V" + b"x" * 6_000_001 + b"\nVlatin1\ntR.",
            "holds a string of 6,000,001",
        ),
        (b"(" * 101 + b".", "sets more than 100 marks"),
        (b"N" + b"q\0" * 600_000 + b".", "has more than 600,000 operations"),
        (
            PLAIN_ARRAY.replace(b"K\x01K\x03\x85", b"K\x01\x88\x85"),
            "holds an array of an impossible shape",
        ),
        (b"<html>", "is no pickle: it starts with '<html>'"),
        (b"", "is damaged as a pickle: it stops before its end (byte 0 of 0)"),
        (b"]", "is damaged as a pickle: it stops before its end (byte 1 of 1)"),
        (b".", "it does not end with one object"),
        (b"]].", "it does not end with one object"),
        (b"(].", "it does not end with one object"),
        (b"]..", "it does not end with one object"),
        (b"B\xff\xff\xff\xff12", "4,294,967,295 bytes are announced and 2 are left"),
        (b"\x8e" + b"\xff" * 8, "18,446,744,073,709,551,615 bytes are announced and 0 are left"),
        (b"\x8b" + b"\xff" * 4, "holds a number of 4,294,967,295 bytes"),
        (b"\x95" + b"\xff" * 8, "bytes are announced and 0 are left"),
        (b"K", "1 bytes are announced and 0 are left"),
        (b"I12", "a line does not end"),
        (b"c" + b"o" * 300 + b"\nx\n.", "a line does not end"),
        (b"I1x\n.", "a number cannot be read"),
        (b"I1_0\n.", "a number cannot be read"),
        (b"I" + b"9" * 19 + b"\n.", "a number cannot be read"),
        (b"F1e9999\n.", "a number cannot be read"),
        (b"a.", "an operation finds nothing to work on"),
        (b"\x85.", "an operation finds nothing to work on"),
        (b"t.", "an operation finds no mark"),
        (b"NNa.", "is damaged as a pickle: no list to append to"),
        (b"]e.", "is damaged as a pickle: an operation finds no mark"),
        (b"NNNs.", "is damaged as a pickle: no dict to put items into"),
        (b"}(Nu.", "is damaged as a pickle: no dict to put items into"),
        (b"q\0.", "is damaged as a pickle: there is nothing to remember"),
        (b"h\x07.", "is damaged as a pickle: nothing was remembered as 7"),
        (b"N\x85K\x01\x93.", "is damaged as a pickle: a name is not text"),
        (b"X\x01\0\0\0\xff.", "is damaged as a pickle: text is not utf-8"),
        (b"V\\u12\n.", "is damaged as a pickle: text is not rawunicodeescape"),
        (
            b"c_codecs\nencode\n(V\\u4e2d\nVlatin1\ntR.",
            "text that stands for bytes has other characters",
        ),
        (PLAIN_ARRAY.replace(b"\x03\0\0\0\0\1\2", b"\x01\0\0\0\0"), "shape (3,) has 1 bytes"),
        (PLAIN_ARRAY.replace(b"K\x03\x85", b"K\x04\x85"), "an array of the shape (4,) has 3 bytes"),
        (
            pickle.dumps(np.arange(3, dtype=np.uint8), 4).replace(b"C\x03\x00\x01\x02", b"(KKKKt"),
            "fills an array with other than bytes",
        ),
    ],
)
def test_pickles_by_hand(raw: bytes, text: str) -> None:
    refused(text, raw)


def test_an_array_is_not_larger_than_expected() -> None:
    for protocol in range(6):
        raw = pickle.dumps(np.zeros((3, 3072), np.uint8), protocol)
        assert unpickle(raw, where="x", largest=9216).shape == (3, 3072)
        refused("the batch has an array of 9,216 bytes; at most 9,215 are expected", raw, 9215)


HUGE = """
import resource, sys
from tinysight.data.pickles import unpickle
from tinysight.errors import DataError

EIGHT = (2**40).to_bytes(8, "little")
FOUR = (2**31 - 1).to_bytes(4, "little")
PICKLES = [
    b"\\x8e" + EIGHT, b"\\x96" + EIGHT, b"\\x8d" + EIGHT, b"T" + FOUR, b"X" + FOUR, b"B" + FOUR,
    b"\\x8b" + FOUR, b"\\x95" + EIGHT + b"N.",
    b"c__builtin__\\nbytes\\n(I1000000000000\\ntR.",
    b"c__builtin__\\nbytearray\\n(I1000000000000\\ntR.",
    b"cnumpy\\nzeros\\n(I1000000000000\\ntR.",
    b"cnumpy.core.multiarray\\n_reconstruct\\n(cnumpy\\nndarray\\n(I1000000000000\\ntVb\\ntR.",
    b"]" * 10**6, b"}" * 10**6, b"(" * 10**6, b"]\\x94" * 10**6, b")\\x85" * 10**6,
    b"N" + b"".join(b"r" + i.to_bytes(4, "little") for i in range(600_001)),
    b"]q\\0(" + b"h\\0" * 10**6,
    b"(" + b"K0" * 599_990 + b"t.",
]
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 200 * 10**6,) * 2)
try:
    bytearray(300 * 10**6)
except MemoryError:
    print("bounded")
for raw in PICKLES:
    try:
        unpickle(raw, where="x", largest=30_720_000)
    except DataError:
        print("refused")
    except MemoryError:
        print("too much", raw[:40])
    else:
        print("read")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is bounded on Linux")
def test_huge_allocations_are_refused_within_200_megabytes() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HUGE],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stdout.splitlines()
    assert said[0] == "bounded"
    assert said[1:] == ["refused"] * 19 + ["read"]


# Bytes cut, flipped, moved


WHOLE = [
    *(pickle.dumps({"data": PIXELS[:2, :9], **BATCH}, p) for p in range(6)),
    python2({"data": PIXELS[:2, :9], "labels": [1, 2], "filenames": ["a", "b"]}),
]


@settings(deadline=2000, max_examples=500)
@given(raw=st.sampled_from(WHOLE).flatmap(mutants))
def test_damage_is_told_and_nothing_else_happens(raw: bytes) -> None:
    with contextlib.suppress(DataError):
        read(raw)


OPERATIONS = sorted(chr(code) for code in opcodes._OPERATIONS)


@settings(deadline=2000, max_examples=500)
@given(
    parts=st.lists(
        st.one_of(
            st.sampled_from([o.encode("latin-1") for o in OPERATIONS]),
            st.sampled_from(
                [b"\0", b"\x01", b"\x02", b"1\n", b"x\n", b"K\x01", b"]", b"(", b"\x8c\x01a"]
            ),
            st.sampled_from(
                [
                    f"c{n.rpartition('.')[0]}\n{n.rpartition('.')[2]}\n".encode()
                    for n in (
                        "numpy.dtype",
                        "numpy.ndarray",
                        "_codecs.encode",
                        "numpy.core.multiarray._reconstruct",
                        "numpy.core.numeric._frombuffer",
                    )
                ]
            ),
        ),
        max_size=40,
    )
)
def test_any_sequence_of_operations_is_read_or_refused(parts: list[bytes]) -> None:
    with contextlib.suppress(DataError):
        read(b"".join(parts) + b".")
