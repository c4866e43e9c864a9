"""Damage to text files, whatever they hold; SPATIALWEAVE_FUZZ=long in the environment makes many more cases."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

LONG = os.environ.get("SPATIALWEAVE_FUZZ") == "long"


def flipped(seed: int) -> Callable[[bytes], bytes]:
    """Three bits of the content turned over."""

    def damage(content: bytes) -> bytes:
        draw, changed = random.Random(seed), bytearray(content)
        for _ in range(3):
            changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
        return bytes(changed)

    return damage


def last_cell(value: bytes) -> Callable[[bytes], bytes]:
    """The last number of the content replaced."""

    def damage(content: bytes) -> bytes:
        body = content.rstrip(b"\n")
        cut = max(body.rfind(mark) for mark in (b",", b"\t", b" ", b"\n"))
        return body[: cut + 1] + value + b"\n"

    return damage


def second_line(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    def damage(content: bytes) -> bytes:
        rows = content.split(b"\n")
        return b"\n".join([rows[0], change(rows[1] if len(rows) > 1 else b""), *rows[2:]])

    return damage


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "one byte": lambda content: content[:1],
    "half": lambda content: content[: len(content) // 2],
    "last bytes gone": lambda content: content[:-3],
    "twice": lambda content: content + content,
    "one line": lambda content: content.split(b"\n")[0],
    "first line gone": lambda content: content.split(b"\n", 1)[-1],
    "backwards": lambda content: b"\n".join(reversed(content.split(b"\n"))),
    "line ends of old Macs": lambda content: content.replace(b"\n", b"\r"),
    "line ends of Windows": lambda content: content.replace(b"\n", b"\r\n"),
    "blank lines": lambda content: content.replace(b"\n", b"\n\n \n"),
    "byte order mark": lambda content: b"\xef\xbb\xbf" + content,
    "UTF-16": lambda content: b"\xff\xfe" + content.decode("latin-1").encode("utf-16-le"),
    "Latin-1": second_line(lambda line: b"\xe9" + line),
    "zero byte": second_line(lambda line: b"\0" + line),
    "zero bytes only": lambda content: b"\0" * len(content),
    "line separators": second_line(lambda line: "\u2028\x85\u2029".encode() + line),
    "open quote": second_line(lambda line: b'"' + line),
    "quote within": second_line(lambda line: line[:1] + b'"' + line[1:]),
    "a cell more": second_line(lambda line: line + b",7\t7 7"),
    "a cell less": second_line(lambda line: line[:2]),
    "other separators": lambda content: content.translate(bytes.maketrans(b",\t ", b";;;")),
    "ten megabytes in a cell": second_line(lambda line: b"x" * 10_000_000 + line),
    "not a number": last_cell(b"nan"),
    "infinite": last_cell(b"-inf"),
    "beyond a float": last_cell(b"1e999"),
    "beyond an integer": last_cell(b"9" * 400),
    "hexadecimal": last_cell(b"0x10"),
    "digits of another script": last_cell("３".encode()),
    "formula": last_cell(b"=cmd|'/C touch hacked'!A0"),
    "shell": last_cell(b"$(touch hacked);`touch hacked`"),
    "noise": lambda content: random.Random(5).randbytes(500),
    "a pickle": lambda content: b"\x80\x04cos\nsystem\n(S'touch hacked'\ntR.",
    **{f"flipped bits, seed {seed}": flipped(seed) for seed in range(40 if LONG else 2)},
}
