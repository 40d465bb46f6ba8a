"""The terminal socket's text frames: part of the wire contract of `runtime.api.schemas`."""

from typing import Annotated, Literal

from pydantic import Field

from runtime.api.base_schemas import WireModel


class TerminalHello(WireModel):
    """First frame of the server."""

    type: Literal["hello"] = "hello"
    terminal: str
    cols: int
    rows: int
    offset: int
    role: str


class TerminalScreen(WireModel):
    """The next binary frame redraws everything."""

    type: Literal["screen"] = "screen"


class TerminalOffset(WireModel):
    """The absolute offset of the next byte."""

    type: Literal["offset"] = "offset"
    offset: int


class TerminalResized(WireModel):
    """The terminal has this size now."""

    type: Literal["resize"] = "resize"
    cols: int
    rows: int


class TerminalExited(WireModel):
    """The shell ended."""

    type: Literal["exit"] = "exit"
    code: int


class TerminalRestarted(WireModel):
    """A new shell runs in this terminal."""

    type: Literal["restarted"] = "restarted"


TerminalServerMessage = Annotated[
    TerminalHello
    | TerminalScreen
    | TerminalOffset
    | TerminalResized
    | TerminalExited
    | TerminalRestarted,
    Field(discriminator="type"),
]


class ResizeRequest(WireModel):
    """The page's size in cells."""

    type: Literal["resize"] = "resize"
    cols: int
    rows: int


class Ack(WireModel):
    """The page has drawn everything before `offset`."""

    type: Literal["ack"] = "ack"
    offset: int


class RestartRequest(WireModel):
    """Start a new shell after the old one ended."""

    type: Literal["restart"] = "restart"


TerminalClientMessage = Annotated[ResizeRequest | Ack | RestartRequest, Field(discriminator="type")]
