"""Terminals with a real bash: pages come and go, the shell stays; sizes, restarts, recordings."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.domain.errors import BadRequest, NotFound, TooMany
from runtime.services.attachment import Restarted
from runtime.services.redraws import FRESH_BYTES, REDRAW_SECONDS, Redraw
from runtime.services.screen import Screen
from runtime.services.terminal import MAX_PAGES, Terminal
from tests.services.shells import PROMPT, descriptors, machine, shell, until


async def test_a_page_sees_what_is_typed_and_printed(tmp_path: Path) -> None:
    async with machine(tmp_path) as made, made.page() as page:
        assert "\r\n42\r\n" in await page.run("echo $((6 * 7))")
        assert made.hints > 0


async def test_a_shell_knows_its_terminal_and_nothing_of_the_daemon(tmp_path: Path) -> None:
    async with machine(tmp_path) as made, made.page() as page:
        printed = await page.run('echo "$TERM $COLORTERM $WORKSHOP_TERMINAL"')
        assert "xterm-256color truecolor main\r\n" in printed
        assert "0" in await page.run("env | grep -c TOKEN")


async def test_the_shell_lives_on_when_nobody_is_attached(tmp_path: Path) -> None:
    async with machine(tmp_path) as made:
        async with made.page() as page:
            await page.run("answer=42")
            pid = page.terminal._last_pid
        async with made.page() as page:
            assert "answer is 42\r\n" in await page.run("echo answer is $answer")
            assert page.terminal._last_pid == pid


async def test_a_page_that_comes_back_misses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    async with machine(tmp_path) as made:
        async with made.page() as page:
            await page.run("echo before")
            await page.type("sleep 0.5; echo while ''away\r")
            await page.sees("while ''away\r\n")
            seen, offset, terminal = page.output, page.offset, page.terminal
        await until(lambda: terminal.display.ring.end > offset)
        async with made.page(offset=offset) as page:
            await page.sees("while away")
            assert not any(isinstance(frame, Redraw) for frame in page.frames)
            whole = seen + page.output
            assert whole.count(b"while away\r\n") == 1


async def test_a_page_that_comes_back_too_late_gets_the_screen(tmp_path: Path) -> None:
    async with machine(tmp_path) as made:
        async with made.page() as page:
            await page.sees(PROMPT)
            offset, terminal = page.offset, page.terminal
            await page.type("head -c 2000000 /dev/zero | tr '\\0' x; echo; echo the end\r")
            await page.sees("\nthe end")
        assert terminal.display.ring.start > offset
        async with made.page(offset=offset) as page:
            await page.sees("the end")
            assert isinstance(page.frames[0], Redraw)


async def test_an_offset_of_another_life_of_the_daemon_is_none_of_this_one(tmp_path: Path) -> None:
    async with machine(tmp_path) as made, made.page() as page:
        await page.sees(PROMPT)
        before = page.offset
    await asyncio.sleep(0.05)
    async with machine(tmp_path) as made, made.page(offset=before) as page:
        await page.sees(PROMPT)
        assert isinstance(page.frames[0], Redraw)


async def test_reload_in_a_full_screen_program_shows_it_and_the_shell_behind_it(
    tmp_path: Path,
) -> None:
    program = (
        r"printf '\033[?1049h\033[H\033[2Jinside the editor\033[5;1H'; read -rsn1; "
        r"printf '\033[?1049l'"
    )
    async with machine(tmp_path) as made:
        async with made.page() as page:
            await page.run("echo before the editor")
            await page.type(program + "\r")
            await page.sees("inside the editor", 2)
        async with made.page() as page:
            await until(lambda: page.frames)
            mirror = Screen(80, 24)
            mirror.feed(page.output)
            assert "inside the editor" in _rows(mirror)
            assert "before the editor" not in _rows(mirror)
            before = page.given
            await page.type("q")
            await page.sees(PROMPT, since=before)
            mirror = Screen(80, 24)
            mirror.feed(page.output)
            assert "before the editor" in _rows(mirror)


def _rows(screen: Screen) -> str:
    return screen._format(screen._handle, "PLAIN").decode()


async def test_every_page_gets_everything_and_may_type(tmp_path: Path) -> None:
    """Fault 34: two tabs."""
    async with machine(tmp_path) as made, made.page() as one, made.page(client="two") as two:
        await one.run("echo from one")
        await two.run("echo from two")
        for page in (one, two):
            await page.sees("\r\nfrom one\r\n")
            await page.sees("\r\nfrom two\r\n")


async def test_the_last_to_type_owns_the_size(tmp_path: Path) -> None:
    async with machine(tmp_path) as made, made.page() as one, made.page(client="two") as two:
        await one.sees(PROMPT)
        one.terminal.resize(one.attachment, 100, 30)
        two.terminal.resize(two.attachment, 60, 20)
        turns = ((one, (100, 30), 1), (two, (60, 20), 1), (one, (100, 30), 2))
        for page, size, times in turns:
            await page.type(" ")
            await until(lambda: one.terminal.size == size)  # noqa: B023  # awaited here
            await page.type("stty size\r")
            await page.sees(f"\n{size[1]} {size[0]}\r\n", times)
        assert one.sizes == two.sizes == [(100, 30), (60, 20), (100, 30)]


async def test_the_size_goes_back_to_who_is_left(tmp_path: Path) -> None:
    async with machine(tmp_path) as made, made.page() as one:
        one.terminal.resize(one.attachment, 100, 30)
        async with made.page(client="two") as two:
            two.terminal.resize(two.attachment, 60, 20)
            await two.run("true")
            await until(lambda: two.terminal.size == (60, 20))
        await until(lambda: one.terminal.size == (100, 30))


async def test_a_terminals_own_answers_do_not_count_as_typing(tmp_path: Path) -> None:
    """Fault 34: a program asks, both tabs answer, one answer arrives."""
    async with machine(tmp_path) as made, made.page() as one, made.page(client="two") as two:
        await one.sees(PROMPT)
        await one.type("cat -v\r")
        await one.sees("cat -v\r\n")
        await two.type("\x1b[?62;22c\x1b[3;1R\x1b[I\x1b]10;rgb:ff/ff/ff\x07")
        await one.type("typed\r")
        await one.sees("typed\r\ntyped")
        assert "22c" not in one.text
        assert one.terminal._size.owner is one.attachment


@pytest.mark.parametrize(
    ("cols", "rows", "expected"),
    [(0, 0, (1, 1)), (-1, -5, (1, 1)), (65536, 10**9, (1000, 1000)), (1000, 1, (1000, 1))],
)
async def test_a_size_out_of_bounds_is_clamped(
    tmp_path: Path, cols: int, rows: int, expected: tuple[int, int]
) -> None:
    """Fault 30: 0, -1, 65536, 10^9."""
    async with machine(tmp_path, record=False) as made, made.page() as page:
        page.terminal.resize(page.attachment, cols, rows)
        await until(lambda: page.sizes == [expected])


async def test_a_thousand_sizes_a_second_reach_the_shell_as_few(tmp_path: Path) -> None:
    """Fault 30: 1 000 a second."""
    async with machine(tmp_path) as made, made.page() as page:
        await page.sees(PROMPT)
        for number in range(1000):
            page.terminal.resize(page.attachment, 20 + number % 100, 10 + number % 30)
            if number % 50 == 0:
                await asyncio.sleep(0.01)
        page.terminal.resize(page.attachment, 77, 22)
        await until(lambda: page.terminal.size == (77, 22))
        await page.type("stty size\r")
        await page.sees("\n22 77\r\n")
        assert len(page.sizes) < 100


async def test_pages_are_told_when_the_shell_ends_and_a_key_starts_a_new_one(
    tmp_path: Path,
) -> None:
    async with machine(tmp_path) as made, made.page() as page:
        await page.run("answer=42")
        await page.type("exit 3\r")
        await until(lambda: page.exits == [3])
        assert made.terminals.list()[0].exit_code == 3
        assert not made.terminals.list()[0].running
        async with made.page(client="later") as later:
            assert page.terminal.running  # opening starts a new one as well
            await later.sees(PROMPT)
        await page.type("exit 4\r")
        await until(lambda: page.exits == [3, 4])
        before = page.given
        await page.type(" ")
        await page.sees(PROMPT, since=before)
        assert any(isinstance(frame, Restarted) for frame in page.frames)
        assert "answer is .\r\n" in await page.run("echo answer is $answer.")
        info = made.terminals.list()[0]
        assert (info.running, info.exit_code) == (True, None)


async def test_a_page_that_attaches_after_the_end_is_told_so(tmp_path: Path) -> None:
    async with machine(tmp_path) as made, made.page() as page:
        await page.type("exit 7\r")
        await until(lambda: page.exits)
        async with page.terminal.attach("late") as attachment:
            first, *rest = iter(attachment._next, None)
            assert isinstance(first, Redraw)
            assert repr(rest[-1]) == "Exited(code=7)"
            assert all(isinstance(each, bytes) for each in rest[:-1])


async def test_modes_a_program_left_behind_are_gone_after_a_restart(tmp_path: Path) -> None:
    async with machine(tmp_path) as made, made.page() as page:
        await page.run("printf '\\033[?1000h\\033[?1049h'")
        await page.type("exit\r")
        await until(lambda: page.exits)
        before = page.given
        await page.type("\r")
        await page.sees(PROMPT, since=before)
        redraw = page.terminal.display.redraw()
        assert b"\x1b[?1000h" not in redraw
        assert b"\x1b[?1049h" not in redraw


async def test_attaching_and_leaving_are_events(tmp_path: Path) -> None:
    async with machine(tmp_path) as made:
        async with made.page(client="one"), made.page(client="two"):
            assert made.terminals.list()[0].clients == 2
        assert [(each.event, each.terminal, each.client) for each in made.events] == [
            ("connected", "main", "one"),
            ("connected", "main", "two"),
            ("disconnected", "main", "two"),
            ("disconnected", "main", "one"),
        ]
        assert made.terminals.list()[0].clients == 0


async def test_there_is_a_limit_of_terminals_and_of_pages(tmp_path: Path) -> None:
    """Fault 34: the 4409 of the protocol."""
    async with machine(tmp_path, limit=2) as made:
        first = await made.terminals.open()
        assert first.name == "terminal-2"
        main = await made.terminals.open("main")
        assert await made.terminals.open("main") is main
        with pytest.raises(TooMany):
            await made.terminals.open()
        async with AttachMany(main, MAX_PAGES):
            with pytest.raises(TooMany):
                async with main.attach("one more"):
                    pass
        with pytest.raises(NotFound):
            made.terminals.get("other")


class AttachMany:
    """So many pages for the length of a block."""

    def __init__(self, terminal: Terminal, number: int) -> None:
        self._pages = [terminal.attach(f"page {each}") for each in range(number)]

    async def __aenter__(self) -> None:
        for page in self._pages:
            await page.__aenter__()

    async def __aexit__(self, *_: object) -> None:
        for page in self._pages:
            await page.__aexit__(None, None, None)


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", "x" * 33, "é", "a\n"])
async def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    async with machine(tmp_path) as made:
        with pytest.raises(BadRequest):
            await made.terminals.open(name)


async def test_opening_ending_and_closing_are_changes(tmp_path: Path) -> None:
    async with machine(tmp_path) as made:
        with made.terminals.changes.subscribe() as changes:
            terminal = await made.terminals.open("main")
            assert len(changes.gather()) == 1
            async with made.page() as page:
                await page.type("exit\r")
                await until(lambda: not terminal.running)
            assert len(changes.gather()) >= 1
            await made.terminals.close("main")
            assert len(changes.gather()) == 1


async def test_pages_of_a_closed_terminal_are_ended(tmp_path: Path) -> None:
    async with machine(tmp_path) as made:
        async with made.page() as page:
            await made.terminals.close("main")
            assert page.attachment.close_code == 4404
        async with made.page() as page:
            await made.terminals.close_all()
            assert page.attachment.close_code == 4500


async def test_a_life_of_a_shell_is_one_recording(tmp_path: Path) -> None:
    async with machine(tmp_path) as made, made.page() as page:
        page.terminal.resize(page.attachment, 100, 30)
        await page.run("echo hello")
        made.terminals.marker("$ echo hello", "main")
        made.terminals.marker("everywhere")
        made.terminals.marker("elsewhere", "other")
        await page.type("exit\r")
        await until(lambda: page.exits)
        await page.type("\r")
        await until(lambda: page.terminal.running)
        await made.terminals.close("main")
        assert len(list(made.casts.iterdir())) == 2
        header = made.cast()[0]
        assert (header["version"], header["width"], header["title"]) == (2, 80, "main")
        assert header["env"] == {"SHELL": "/bin/bash", "TERM": "xterm-256color"}
        assert "\r\nhello\r\n" in made.recorded("o")
        assert made.recorded("r") == "100x30"
        assert made.recorded("m") == "$ echo helloeverywhere"
        assert made.recorded("i").startswith("echo hello\r")
        assert not any(each.live for each in made.recordings.list())


async def test_a_password_typed_at_a_real_prompt_is_nowhere(tmp_path: Path) -> None:
    """Fault 9: a password at a no-echo prompt is in no recording and no event."""
    async with machine(tmp_path) as made, made.page() as page:
        await page.sees(PROMPT)
        await page.type("read -sp 'Password: ' answer; echo got ${#answer}\r")
        await page.sees("\nPassword: ")
        life = page.terminal._life
        assert life is not None
        assert life._pty is not None
        await until(life._pty.is_hiding_input)
        for key in "hunter2":
            await page.type(key)
        await page.type("\r")
        await page.sees("got 7")
        await page.run("read -s answer\rhunter2\n")
        await made.terminals.close("main")
        raw = next(made.casts.iterdir()).read_bytes()
        assert b"hunter2" not in raw
        assert "*" in made.recorded("i")
        assert not any("hunter2" in event.model_dump_json() for event in made.events)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True
    )
    if mount.returncode != 0:
        pytest.skip("this machine lets nobody mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_full_disk_ends_the_recording_and_not_the_shell(small_disk: Path) -> None:
    """Fault 10: the shell works, the recording ends in a newline, the page is told."""
    async with machine(small_disk) as made, made.page() as page:
        await page.type("seq 100000\r")
        await until(lambda: made.problems, "the problem")
        [(code, message)] = made.problems.items()
        assert code == "recording_main"
        assert "No space left on device" in message
        await page.type("echo still ''here\r")
        await page.sees("\nstill here")
        cast = next(made.casts.iterdir())
        assert cast.read_bytes().endswith(b"]\n")
        cast.unlink()
        await page.type("exit\r")
        await until(lambda: page.exits)
        await page.type("\r")
        await until(lambda: page.terminal.recording)
        assert made.problems == {}


async def test_a_folder_that_cannot_be_written_costs_the_recording_alone(tmp_path: Path) -> None:
    """Fault 46, the recording."""
    async with machine(tmp_path) as made:
        made.casts.rmdir()
        async with made.page() as page:
            await page.run("true")
            assert "recording_main" in made.problems
        made.casts.mkdir()


async def test_stopping_ends_the_recording_on_a_whole_line_while_output_floods(
    tmp_path: Path,
) -> None:
    """Fault 18: SIGTERM with a recording open."""
    async with machine(tmp_path) as made, made.page() as page:
        await page.type("yes flood\r")
        await until(lambda: page.text.count("flood\r\n") > 1000)
        await made.terminals.close_all()
        assert made.cast()[-1][1] == "o"


async def test_without_recording_nothing_is_written(tmp_path: Path) -> None:
    async with machine(tmp_path, record=False) as made, made.page() as page:
        await page.run("true")
        assert page.terminal.recording is not None
        assert page.terminal.recording.name is None
        assert list(made.casts.iterdir()) == []


async def test_a_page_that_stops_reading_slows_nobody_and_costs_no_memory(tmp_path: Path) -> None:
    """Fault 25: a page that never reads while `yes` runs."""
    async with machine(tmp_path, record=False) as made, made.page() as reader:
        terminal = reader.terminal
        async with terminal.attach("stuck") as stuck:
            await reader.sees(PROMPT)
            await reader.type("yes | head -c 1500000; echo finished\r")
            await reader.sees("\nfinished")
            assert len(terminal.display.ring.read(terminal.display.ring.start, 1 << 30)) <= 1 << 20
            await asyncio.sleep(2 * REDRAW_SECONDS)
            frame = stuck._next()
            assert isinstance(frame, Redraw)
            rest = terminal.display.ring.read(frame.offset, 1 << 20)
            assert b"finished" in frame.data + rest
            assert len(rest) <= FRESH_BYTES


async def test_ctrl_c_stops_a_flood_at_once(tmp_path: Path) -> None:
    async with machine(tmp_path) as made, made.page() as page:
        await page.sees(PROMPT)
        await page.type("yes\r")
        await page.sees("y\r\ny\r\n")
        before = page.given
        await page.type("\x03")
        await page.sees(PROMPT, since=before)


async def test_a_machine_without_descriptors_says_so_and_recovers(tmp_path: Path) -> None:
    """Fault 49: no file descriptors."""
    import resource

    async with machine(tmp_path, record=False) as made:
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors() + 1, before[1]))
        try:
            with pytest.raises(TooMany):
                await made.terminals.open("main")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert made.terminals.list() == []
        async with made.page() as page:
            await page.run("true")


async def test_hostile_titles_and_queries_make_the_server_send_nothing(tmp_path: Path) -> None:
    """Fault 44: title report, OSC 52, OSC 8, long titles: nothing reaches the shell."""
    hostile = r"\033]0;$(touch pwned)\007\033[21t\033[c\033[6n\033]52;c;?\007\033P$qm\033\\"
    async with machine(tmp_path) as made, made.page() as page:
        await page.run(f"printf '{hostile}'")
        for _ in range(3):
            async with made.page(client="again") as again:
                await until(lambda: again.frames)
        assert "nothing typed\r\n" in await page.run("echo nothing typed")
        await made.terminals.close("main")
        assert not (tmp_path / "pwned").exists()
        assert made.recorded("i").startswith("printf")
        assert made.recorded("i").count("\r") == 2


async def test_the_end_of_the_shell_gives_back_every_descriptor(tmp_path: Path) -> None:
    """Fault 26: descriptors, tasks and threads return."""
    async with machine(tmp_path) as made:
        async with made.page() as page:
            await page.run("true")
        await made.terminals.close("main")
        before, tasks = descriptors(), len(asyncio.all_tasks())
        for _ in range(3):
            async with made.page() as page:
                await page.run("true")
            await made.terminals.close("main")
        assert descriptors() == before
        assert len(asyncio.all_tasks()) == tasks


async def test_a_shell_that_cannot_start_is_an_ended_one(tmp_path: Path) -> None:
    spec = shell(tmp_path)._replace(argv=("/no/such/shell",))
    async with machine(tmp_path, spec=spec) as made, made.page() as page:
        await until(lambda: page.exits == [127])
        assert "/no/such/shell" in page.text
