"""The language of pickles, read without ever importing or calling what a pickle asks for.

The operations are those in which Python 2 and 3 write plain values and numpy an array, protocols 0
to 5; others are refused. What a pickle announces is checked against the bytes that are left before
anything is made. What they are: https://github.com/python/cpython/blob/3.13/Lib/pickletools.py
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinysight.data.pickles.scanner import Scanner
from tinysight.errors import DataError
from tinysight.pictures.formats import printable

__all__ = ["LONG", "Long", "Machine"]

MAX_OPERATIONS = 600_000  # each makes one object at most; CIFAR-100's train has up to 350,000
MAX_KEYS = 1_000  # of all dicts together
MAX_MARKS = 100
MAX_NAME = 200  # bytes of a module's or a function's name
LONG = (
    2**16
)  # bytes from which a string is left where it stands: only an array's content is as long

_STOP = ord(".")
_NAMED = {
    "i": "INST", "o": "OBJ", "P": "PERSID", "Q": "BINPERSID", "S": "STRING", "0": "POP",
    "1": "POP_MARK", "2": "DUP", "\x81": "NEWOBJ", "\x82": "EXT1", "\x83": "EXT2", "\x84": "EXT4",
    "\x8f": "EMPTY_SET", "\x90": "ADDITEMS", "\x91": "FROZENSET", "\x92": "NEWOBJ_EX",
    "\x97": "NEXT_BUFFER", "\x98": "READONLY_BUFFER",
}  # fmt: skip


@dataclass(frozen=True)
class Long:
    """A long string where it stands; `encoding` is "" for bytes."""

    raw: memoryview
    encoding: str


class Machine(ABC):
    """A pickle that is being read: its bytes, its stack and its memo.

    Args:
        where: what to call it in an error.
    """

    def __init__(self, raw: bytes, where: str) -> None:
        self.source = Scanner(raw, where)
        self._keys = 0
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []  # the stacks below the present one
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Go through the operations to the end; return what is on the stack then."""
        source, raw, end = self.source, self.source.raw, len(self.source.raw)
        for _ in range(MAX_OPERATIONS):
            if source.at >= end:
                raise source.damaged("it stops before its end")
            code = raw[source.at]
            source.at += 1
            if code == _STOP:
                if len(self._stack) != 1 or self._marks or source.at != end:
                    raise source.damaged("it does not end with one object")
                return self._stack[0]
            if operation := _OPERATIONS.get(code):
                operation(self)
            elif source.at == 1:
                start = printable(raw[:12].decode("latin-1"))
                raise DataError(
                    f"{source.where} is no pickle: it starts with {start!r}; fetch it again"
                )
            else:
                name = _NAMED.get(chr(code)) or f"of the code {code}"
                raise source.refused(f"uses the operation {name}")
        raise source.refused(f"has more than {MAX_OPERATIONS:,} operations")

    @abstractmethod
    def named(self, module: str, name: str) -> Any:
        """Return what stands for a function or class until it is applied."""

    @abstractmethod
    def applied(self, function: Any, given: Any) -> Any:
        """Return what a function makes of a tuple."""

    @abstractmethod
    def stated(self, target: Any, state: Any) -> Any:
        """Return what an object becomes by a state."""

    # The stack

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        if not self._stack:
            raise self.source.damaged("an operation finds nothing to work on")
        return self._stack.pop()

    def _to_mark(self) -> list[Any]:
        """All above the last mark, which is taken away."""
        if not self._marks:
            raise self.source.damaged("an operation finds no mark")
        items, self._stack = self._stack, self._marks.pop()
        return items

    def _mark(self) -> None:
        if len(self._marks) >= MAX_MARKS:
            raise self.source.refused(f"sets more than {MAX_MARKS} marks")
        self._marks.append(self._stack)
        self._stack = []

    # Strings and numbers

    def _string(self, width: int, encoding: str) -> None:
        """Bytes or text behind their length."""
        source = self.source
        n = source.number(width)
        start = source.at
        source.skip(n)
        self._push_string(source.view[start : start + n], encoding)

    def _unicode_line(self) -> None:
        self._push_string(self.source.line(len(self.source.raw)), "raw-unicode-escape")

    def _push_string(self, view: memoryview, encoding: str) -> None:
        if len(view) >= LONG:
            self._push(Long(view, encoding))
        else:
            self._push(self.source.decoded(view, encoding) if encoding else bytes(view))

    def _unsigned(self, width: int) -> None:
        self._push(self.source.number(width))

    def _signed(self) -> None:
        self._push(int.from_bytes(self.source.take(4), "little", signed=True))

    def _long(self, width: int) -> None:
        n = self.source.number(width)
        if n > 8:
            raise self.source.refused(f"holds a number of {n:,} bytes")
        self._push(int.from_bytes(self.source.take(n), "little", signed=True))

    def _int_line(self) -> None:
        line = self.source.digits(rb"[+-]?\d{1,18}")
        self._push({b"00": False, b"01": True}[line] if line in (b"00", b"01") else int(line))

    def _long_line(self) -> None:
        self._push(int(self.source.digits(rb"[+-]?\d{1,18}L?").rstrip(b"L")))

    def _float_line(self) -> None:
        self._push(float(self.source.digits(rb"[+-]?(\d+\.?\d*(e[+-]?\d{1,3})?|inf|nan)")))

    def _binary_float(self) -> None:
        self._push(struct.unpack(">d", self.source.take(8))[0])

    def _protocol(self) -> None:
        if (version := self.source.number(1)) > 5:
            raise self.source.refused(f"is of protocol {version}")

    def _frame(self) -> None:
        n, source = self.source.number(8), self.source
        if n > len(source.raw) - source.at:
            source.skip(n)

    # Lists, tuples, dicts

    def _list_of(self) -> None:
        self._push(self._to_mark())

    def _tuple_of(self) -> None:
        self._push(tuple(self._to_mark()))

    def _short_tuple(self, n: int) -> None:
        self._push(tuple([self._pop() for _ in range(n)][::-1]))

    def _dict_of(self) -> None:
        items = self._to_mark()
        self._push({})
        self._set(items)

    def _append(self) -> None:
        self._extend([self._pop()])

    def _appends(self) -> None:
        self._extend(self._to_mark())

    def _extend(self, items: list[Any]) -> None:
        if not self._stack or type(self._stack[-1]) is not list:
            raise self.source.damaged("no list to append to")
        self._stack[-1].extend(items)

    def _set_item(self) -> None:
        value = self._pop()
        self._set([self._pop(), value])

    def _set_items(self) -> None:
        self._set(self._to_mark())

    def _set(self, items: list[Any]) -> None:
        if not self._stack or type(self._stack[-1]) is not dict or len(items) % 2:
            raise self.source.damaged("no dict to put items into")
        self._keys += len(items) // 2
        keys = items[::2]
        # Others could take long to hash, or crash it.
        if self._keys > MAX_KEYS or not {type(key) for key in keys} <= {bytes, str, int}:
            raise self.source.refused(
                f"has more than {MAX_KEYS:,} keys, or keys that are no strings"
            )
        self._stack[-1].update(zip(keys, items[1::2], strict=True))

    # The memo

    def _memoize(self, at: int) -> None:
        if not self._stack:
            raise self.source.damaged("there is nothing to remember")
        self._memo[at] = self._stack[-1]

    def _put(self, width: int) -> None:
        self._memoize(self.source.number(width))

    def _put_line(self) -> None:
        self._memoize(int(self.source.digits(rb"\d{1,10}")))

    def _put_next(self) -> None:
        self._memoize(len(self._memo))

    def _get(self, width: int) -> None:
        self._recall(self.source.number(width))

    def _get_line(self) -> None:
        self._recall(int(self.source.digits(rb"\d{1,10}")))

    def _recall(self, at: int) -> None:
        if at not in self._memo:
            raise self.source.damaged(f"nothing was remembered as {at}")
        self._push(self._memo[at])

    # Functions and objects

    def _global_lines(self) -> None:
        module, name = (bytes(self.source.line(MAX_NAME)).decode("latin-1") for _ in range(2))
        self._push(self.named(module, name))

    def _global_strings(self) -> None:
        name, module = self._pop(), self._pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise self.source.damaged("a name is not text")
        self._push(self.named(module, name))

    def _reduce(self) -> None:
        given = self._pop()
        self._push(self.applied(self._pop(), given))

    def _build(self) -> None:
        state, old = self._pop(), self._pop()
        new = self.stated(old, state)
        self._push(new)
        if new is not old:
            for at in [at for at, value in self._memo.items() if value is old]:
                self._memo[at] = new


_OPERATIONS: dict[int, Callable[[Machine], None]] = {
    ord(code): operation
    for code, operation in {
        "\x80": Machine._protocol,
        "\x95": Machine._frame,
        "(": Machine._mark,
        "N": lambda m: m._push(None),
        "\x88": lambda m: m._push(True),
        "\x89": lambda m: m._push(False),
        "I": Machine._int_line,
        "L": Machine._long_line,
        "F": Machine._float_line,
        "K": lambda m: m._unsigned(1),
        "M": lambda m: m._unsigned(2),
        "J": Machine._signed,
        "\x8a": lambda m: m._long(1),
        "\x8b": lambda m: m._long(4),
        "G": Machine._binary_float,
        "U": lambda m: m._string(1, ""),
        "T": lambda m: m._string(4, ""),
        "C": lambda m: m._string(1, ""),
        "B": lambda m: m._string(4, ""),
        "\x8e": lambda m: m._string(8, ""),
        "\x96": lambda m: m._string(8, ""),
        "V": Machine._unicode_line,
        "\x8c": lambda m: m._string(1, "utf-8"),
        "X": lambda m: m._string(4, "utf-8"),
        "\x8d": lambda m: m._string(8, "utf-8"),
        "]": lambda m: m._push([]),
        ")": lambda m: m._push(()),
        "}": lambda m: m._push({}),
        "l": Machine._list_of,
        "t": Machine._tuple_of,
        "d": Machine._dict_of,
        "\x85": lambda m: m._short_tuple(1),
        "\x86": lambda m: m._short_tuple(2),
        "\x87": lambda m: m._short_tuple(3),
        "a": Machine._append,
        "e": Machine._appends,
        "s": Machine._set_item,
        "u": Machine._set_items,
        "p": Machine._put_line,
        "q": lambda m: m._put(1),
        "r": lambda m: m._put(4),
        "\x94": Machine._put_next,
        "g": Machine._get_line,
        "h": lambda m: m._get(1),
        "j": lambda m: m._get(4),
        "c": Machine._global_lines,
        "\x93": Machine._global_strings,
        "R": Machine._reduce,
        "b": Machine._build,
    }.items()
}
