"""Read texts that somebody else wrote, with one message for every mistake."""

from __future__ import annotations

import codecs
import os
import stat
import tomllib
from pathlib import Path
from typing import Any

from edgewright.core.errors import InputError

MAX_BYTES = 2**20
"""Bytes of a text file that a person writes; a longer one is something else."""

_WIDE = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path) -> str:
    """Return the text of a regular file in UTF-8, without a byte-order mark.

    Raises:
        InputError: the file does not exist, is not a regular one, is too large, or is in another
            encoding.
    """
    where = printable(str(path))
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise InputError("must be a regular file", where=where, hint="name a text file")
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        hint = "check the path and its permissions"
        raise InputError(f"cannot be read: {error}", where=where, hint=hint) from None
    if len(content) > MAX_BYTES:
        message = f"must have at most {MAX_BYTES} bytes; got {len(content)}"
        raise InputError(message, where=where, hint="name the text file itself")
    if content.startswith(_WIDE):
        message = "must be in UTF-8; this is UTF-16 or UTF-32"
        raise InputError(message, where=where, hint="save it as UTF-8 in your editor")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        message = f"must be in UTF-8; line {line} is not"
        raise InputError(message, where=where, hint="save it as UTF-8 in your editor") from None


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Raises:
        InputError: it is not TOML, or goes beyond what a reader can hold.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        hint = "correct that line; numbers have a decimal point"
        raise InputError(f"not valid TOML: {error}", where=where, hint=hint) from None
    except ValueError:  # more digits than Python converts
        hint = "give numbers of at most 300 digits"
        raise InputError("a number has too many digits", where=where, hint=hint) from None
    except RecursionError:
        hint = "a scenario has tables in tables, three deep"
        raise InputError("tables or lists are nested too deep", where=where, hint=hint) from None


def printable(text: str) -> str:
    """Return a text of unknown origin without what would move a terminal's cursor or end a line."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )


def parse_override(text: str) -> tuple[str, Any]:
    """Return (dotted key, value) of ``"params.slot_s=1.0"``; the value is read as TOML."""
    key, sign, raw = text.partition("=")
    if not sign or not key.strip():
        raise InputError(f"'{text}' is not KEY=VALUE", where="--set", hint="e.g. params.slot_s=1.0")
    try:
        value = tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        value = raw.strip()
    except (ValueError, RecursionError):
        value = parse_toml(f"value = {raw}", f"--set {key.strip()}")
    return key.strip(), value


__all__ = ["parse_override", "parse_toml", "printable", "read_text"]
