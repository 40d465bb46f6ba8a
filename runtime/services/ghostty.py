"""libghostty-vt, a terminal without a window.

It comes with the package pyghostty, whose own binding takes 0.3 s of CPU to import. This one
declares the functions it needs and takes the numbers and layouts from the library's description of
itself, so that another version is used rightly or refused. Loading takes some 20 ms, on first use.
"""

from __future__ import annotations

import ctypes
import importlib.util
from ctypes import POINTER, c_bool, c_char_p, c_int, c_size_t, c_uint16, c_uint32, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import orjson


class ScreenUnavailable(RuntimeError):
    """libghostty-vt is missing or is not the one this module was written for."""


class ScreenExtra(ctypes.Structure):
    _fields_ = (
        ("size", c_size_t),
        ("cursor", c_bool),
        ("style", c_bool),
        ("hyperlink", c_bool),
        ("protection", c_bool),
        ("kitty_keyboard", c_bool),
        ("charsets", c_bool),
    )


class TerminalExtra(ctypes.Structure):
    _fields_ = (
        ("size", c_size_t),
        ("palette", c_bool),
        ("modes", c_bool),
        ("scrolling_region", c_bool),
        ("tabstops", c_bool),
        ("pwd", c_bool),
        ("keyboard", c_bool),
        ("screen", ScreenExtra),
    )


class FormatOptions(ctypes.Structure):
    _fields_ = (
        ("size", c_size_t),
        ("emit", c_int),
        ("unwrap", c_bool),
        ("trim", c_bool),
        ("extra", TerminalExtra),
        ("selection", c_void_p),
    )


class Mode(ctypes.Structure):
    _fields_ = (("mode", c_uint16), ("value", c_bool))


class Place(ctypes.Structure):
    _fields_ = (("x", c_uint16), ("y", c_uint32), ("spare", ctypes.c_uint64))


class Point(ctypes.Structure):
    _fields_ = (("tag", c_int), ("value", Place))


class GridRef(ctypes.Structure):
    _fields_ = (("size", c_size_t), ("node", c_void_p), ("x", c_uint16), ("y", c_uint16))


class String(ctypes.Structure):
    _fields_ = (("ptr", c_void_p), ("len", c_size_t))


_LAYOUTS: dict[str, type[ctypes.Structure]] = {
    "GhosttyFormatterScreenExtra": ScreenExtra,
    "GhosttyFormatterTerminalExtra": TerminalExtra,
    "GhosttyFormatterTerminalOptions": FormatOptions,
    "GhosttyGridRef": GridRef,
    "GhosttyPoint": Point,
    "GhosttyString": String,
    "GhosttyTerminalModeConfig": Mode,
}

_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {  # Any: ctypes has no type for its types
    "terminal_new": (c_int, (c_void_p, POINTER(c_void_p), c_uint16, c_uint16)),
    "terminal_free": (None, (c_void_p,)),
    "terminal_set": (c_int, (c_void_p, c_int, c_void_p)),
    "terminal_get": (c_int, (c_void_p, c_int, c_void_p)),
    "terminal_resize": (c_int, (c_void_p, c_uint16, c_uint16, c_uint32, c_uint32)),
    "terminal_vt_write": (None, (c_void_p, c_char_p, c_size_t)),
    "terminal_continuation_buf": (c_int, (c_void_p, c_void_p, c_size_t, POINTER(c_size_t))),
    "formatter_terminal_new": (c_int, (c_void_p, POINTER(c_void_p), c_void_p, FormatOptions)),
    "formatter_format_alloc": (
        c_int,
        (c_void_p, c_void_p, POINTER(c_void_p), POINTER(c_size_t)),
    ),
    "terminal_grid_ref": (c_int, (c_void_p, Point, POINTER(GridRef))),
    "grid_ref_cell": (c_int, (POINTER(GridRef), POINTER(ctypes.c_uint64))),
    "grid_ref_row": (c_int, (POINTER(GridRef), POINTER(ctypes.c_uint64))),
    "row_get": (c_int, (ctypes.c_uint64, c_int, c_void_p)),
    "cell_get": (c_int, (ctypes.c_uint64, c_int, c_void_p)),
    "unicode_grapheme_width": (c_size_t, (POINTER(c_uint32), c_size_t, POINTER(ctypes.c_uint8))),
    "formatter_free": (None, (c_void_p,)),
    "snapshot_encode_alloc": (c_int, (c_void_p, c_void_p, POINTER(c_void_p), POINTER(c_size_t))),
    "snapshot_decoder_new_buf": (c_int, (c_void_p, POINTER(c_void_p), c_char_p, c_size_t)),
    "snapshot_decoder_decode": (c_int, (c_void_p, POINTER(c_void_p))),
    "snapshot_decoder_free": (None, (c_void_p,)),
    "free": (None, (c_void_p, c_void_p, c_size_t)),
}


class Library:
    """The loaded library: functions by name, numbers by type and name."""

    def __init__(self, path: Path) -> None:
        try:
            loaded = ctypes.CDLL(str(path))
            describe = loaded.ghostty_type_json
            describe.restype, describe.argtypes = c_char_p, ()
            self._types = orjson.loads(describe())["types"]
            for name, (result, arguments) in _SIGNATURES.items():
                function = getattr(loaded, f"ghostty_{name}")
                function.restype, function.argtypes = result, arguments
                setattr(self, name, function)
            for name, structure in _LAYOUTS.items():
                self._compare(name, structure)
        except (OSError, AttributeError, KeyError, orjson.JSONDecodeError) as error:
            raise ScreenUnavailable(f"{path} is not the library expected: {error}") from error

    def __getattr__(self, name: str) -> Any:  # Any: a ctypes function
        raise AttributeError(name)

    def number(self, kind: str, name: str) -> int:
        """An enumeration's value."""
        value: int = self._types[kind]["values"][name]
        return value

    def _compare(self, name: str, structure: type[ctypes.Structure]) -> None:
        described = self._types[name]["fields"]
        declared = {field[0]: getattr(structure, field[0]).offset for field in structure._fields_}
        if declared != {field: each["offset"] for field, each in described.items()}:
            raise ScreenUnavailable(f"the library's {name} has another layout")


@cache
def load() -> Library:
    """The library; raises ScreenUnavailable. Takes some 20 ms the first time."""
    found = importlib.util.find_spec("pyghostty")
    if found is None or not found.submodule_search_locations:
        raise ScreenUnavailable("the package pyghostty is not installed")
    return Library(Path(found.submodule_search_locations[0], "_lib", "libghostty-vt.so"))
