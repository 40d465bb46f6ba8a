"""What a cast can be turned into: the text it printed, or one page that plays it offline."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from runtime.domain.asciicast import (
    CastEvent,
    Header,
    encode_event,
    encode_header,
    parse_event,
    parse_header,
    parse_size,
)
from runtime.domain.errors import BadRequest, NotFound

PLAYER = Path(__file__).with_name("player")
FIRST_SIZE = (80, 24)  # of a cast whose header says none
SCROLLBACK_LINES = 1_000_000
SCROLLBACK_BYTES = 512 << 20  # used up by some 600 000 lines of 80 columns
BEGINNING = "the beginning of this transcript"
# A transcript keeps what was cleared: a screen goes to the scroll-back, which itself stays.
AWAY = "\x1b[22J\x1b[H"
CLEARED = (
    ("\x1b[3J", ""),
    ("\x1b[H\x1b[J", AWAY),
    ("\x1b[2J", "\x1b[22J"),
    ("\x1bc", f"\x1b[!p{AWAY}"),
)
MOST_MOMENTS = 1000  # of one page: a browser draws a mark for each


def read(cast: bytes, name: str) -> tuple[Header, list[CastEvent]]:
    """The header, and the events at their seconds since the start.

    Lines that are no events are left out; raises BadRequest when it is no cast at all.
    """
    first, _, rest = cast.partition(b"\n")
    header = parse_header(first)
    if header is None:
        raise BadRequest(f"{name} is no asciicast: its first line is no header.")
    if header.version not in (2, 3):
        raise BadRequest(
            f"{name} has the asciicast version {header.version}; only 2 and 3 are read."
        )
    events = [event for event in map(parse_event, rest.split(b"\n")) if event is not None]
    if header.version == 3:  # counts from event to event
        seconds, placed = 0.0, []
        for event in events:
            seconds += event.seconds
            placed.append(CastEvent(seconds, event.kind, event.text))
        events = placed
    return header, events


def as_text(cast: bytes, name: str) -> str:
    """Everything that was printed, as a person saw it, without colours; raises BadRequest.

    Of more than some 600 000 lines the oldest are left out, which its first line says.
    """
    from pyghostty import Terminal, ffi, lib  # type: ignore[import-untyped]  # has none; takes 0.3 s

    header, events = read(cast, name)
    with Terminal(*(header.size or FIRST_SIZE), scrollback=SCROLLBACK_LINES) as terminal:
        # Its own parameter sets lines only, and the library's limit of bytes is some 1 000 lines.
        option = lib.GHOSTTY_TERMINAL_OPT_SCROLLBACK_MAX_BYTES
        lib.ghostty_terminal_set(terminal._t[0], option, ffi.new("size_t*", SCROLLBACK_BYTES))
        terminal.feed(f"{BEGINNING}\x1b[22J\x1b[H".encode())
        for piece in _output(events):
            match piece:
                case str():
                    terminal.feed(piece.encode("utf-8", "replace"))
                case size:
                    terminal.resize(*size)
        text: str = terminal.contents()
    first, _, rest = text.partition("\n")
    if first.strip() != BEGINNING:
        rest = f"[Earlier output is left out: this recording is too long.]\n{text}"
    return "\n".join(line.rstrip() for line in rest.strip("\n").split("\n")).rstrip() + "\n"


def _output(events: list[CastEvent]) -> Iterator[str | tuple[int, int]]:
    """What was printed, in one piece between two sizes: a sequence may be cut by an event's end."""
    pieces: list[str] = []
    for event in events:
        if event.kind == "o":
            pieces.append(event.text)
        elif event.kind == "r" and (size := parse_size(event.text)):
            yield _kept("".join(pieces))
            yield size
            pieces = []
    yield _kept("".join(pieces))


def as_html(cast: bytes, name: str, subtitle: str) -> str:
    """One page with the player and the cast in it; raises BadRequest, NotFound without a player."""
    header, events = read(cast, name)
    events = _with_moments(events)
    moments = [
        {"time": _clock(event.seconds), "label": event.text, "kind": _kind(event.text)}
        for event in events
        if event.kind == "m"
    ]
    cols, rows = header.size or FIRST_SIZE
    lines = [encode_header(Header(width=cols, height=rows)), *map(encode_event, events)]
    inside = json.dumps({"text": b"".join(lines).decode("utf-8", "replace"), "moments": moments})
    page = resources.files("host").joinpath("templates/recording.html").read_text("utf-8")
    for word, value in (
        ("@TITLE@", html.escape(name)),
        ("@SUBTITLE@", html.escape(subtitle)),
        ("@PLAYER_CSS@", _player("asciinema-player.css")),
        ("@PLAYER_JS@", _player("asciinema-player.min.js").replace("</script", "<\\/script")),
        ("@CAST@", inside.replace("<", "\\u003c")),  # last: nothing of it is a word of ours
    ):
        page = page.replace(word, value)
    return page


def _with_moments(events: list[CastEvent]) -> list[CastEvent]:
    """A command's marker stands where it ended; here it is moved to where its Enter was typed.

    Markers beyond MOST_MOMENTS are left out.
    """
    moved: list[CastEvent] = []
    entered: float | None = None
    marks = 0
    for event in events:
        if event.kind == "i" and "\r" in event.text:
            entered = event.seconds
        elif event.kind == "m" and _kind(event.text) == "command" and entered is not None:
            event, entered = CastEvent(entered, "m", event.text), None
        if event.kind == "m":
            marks += 1
            if marks > MOST_MOMENTS:
                continue
        moved.append(event)
    return sorted(moved, key=lambda event: event.seconds)  # stable: the order of one moment stays


def _kept(text: str) -> str:
    for before, after in CLEARED:
        text = text.replace(before, after)
    return text


def _player(name: str) -> str:
    try:
        return (PLAYER / name).read_text("utf-8")
    except FileNotFoundError as error:
        raise NotFound(
            f"The player is missing ({PLAYER / name}). “make setup” in the project's folder makes "
            "it; cast and text do without."
        ) from error


def _clock(seconds: float) -> str:
    whole = int(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def _kind(label: str) -> str:
    if label.startswith("$ "):
        return "command"
    return "other failed" if label.endswith((": failed", ": error")) else "other"
