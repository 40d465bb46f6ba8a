"""A terminal that is restarted: everything of it ends, its pages stay, a new shell begins."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from runtime.domain.errors import InvalidField, NotFound, TooMany
from runtime.services.attachment import Exited, Restarted
from runtime.services.redraws import Redraw
from tests.services.shells import PROMPT, machine, until
from tests.services.test_processes import HIDING, running, unique_sleep


@pytest.mark.parametrize("how", HIDING)
async def test_restarting_ends_what_hides_from_a_hang_up(tmp_path: Path, how: str) -> None:
    """Fault 27: nohup, setsid, disown, double fork, then restart: all gone, and no page lost."""
    sleep = unique_sleep(100 + list(HIDING).index(how))
    async with machine(tmp_path) as made, made.page() as page:
        await page.run("set +m 2>/dev/null; answer=42; " + HIDING[how].format(sleep=sleep))
        await until(lambda: running(sleep), sleep)
        before = page.given
        await made.terminals.restart("main")
        assert running(sleep) == []
        await page.sees(PROMPT, since=before)
        assert "answer is .\r\n" in await page.run("echo answer is $answer.")


async def test_pages_are_told_of_the_new_shell_and_not_of_the_end_between(tmp_path: Path) -> None:
    async with machine(tmp_path) as made, made.page() as one, made.page(client="two") as two:
        await one.run("sleep 1000 &")
        await made.terminals.restart("main")
        for page in (one, two):
            await until(lambda: Restarted() in page.frames)  # noqa: B023  # awaited here
            assert not any(isinstance(frame, Exited) for frame in page.frames)
            assert sum(isinstance(frame, Redraw) for frame in page.frames) == 1  # the first
        assert [(each.clients, each.running) for each in made.terminals.list()] == [(2, True)]


async def test_what_runs_in_the_foreground_of_a_full_screen_ends_and_the_screen_is_back(
    tmp_path: Path,
) -> None:
    async with machine(tmp_path) as made, made.page() as page:
        await page.run("echo before the editor")
        await page.type("printf '\\033[?1049h\\033[?1000h'; stty raw -echo; sleep 1000\r")
        await page.sees("\x1b[?1000h")
        before = page.given
        await made.terminals.restart("main")
        await page.sees(PROMPT, since=before)
        redraw = page.terminal.display.redraw()
        assert b"before the editor" in redraw
        assert b"\x1b[?1049h" not in redraw
        assert b"\x1b[?1000h" not in redraw
        assert "42\r\n" in await page.run("echo $((6 * 7))")


async def test_a_terminal_whose_shell_ended_is_restarted_too(tmp_path: Path) -> None:
    sleep = unique_sleep(120)
    async with machine(tmp_path) as made, made.page() as page:
        await page.run(f"nohup {sleep} >/dev/null 2>&1 &")
        await page.type("exit 3\r")
        await until(lambda: page.exits == [3])
        assert running(sleep)
        terminal = await made.terminals.restart("main")
        assert (terminal.running, terminal.exit_code) == (True, None)
        assert running(sleep) == []


async def test_keys_during_a_restart_reach_no_shell_and_no_recording(tmp_path: Path) -> None:
    """Fault 9: whoever types a password for the old shell does not type it into the new one."""
    async with machine(tmp_path) as made, made.page() as page:
        await page.run(HIDING["HUP ignored"].format(sleep=unique_sleep(121)))
        restarting = asyncio.create_task(made.terminals.restart("main"))
        await until(lambda: not page.terminal.running)
        await page.type("hunter2\r")
        await restarting
        assert "hunter2" not in await page.run("true")
        await made.terminals.close("main")
        assert "hunter2" not in made.recorded("i") + made.recorded("i", 1)


async def test_every_life_is_a_recording_that_ends_on_a_whole_line(tmp_path: Path) -> None:
    async with machine(tmp_path) as made, made.page() as page:
        await page.run("echo first life")
        before = page.given
        await made.terminals.restart("main")
        await page.sees(PROMPT, since=before)
        await page.run("echo second life")
        await made.terminals.close("main")
        assert len(made.recordings.list()) == 2
        texts = [made.recorded("o", which) for which in (0, 1)]
        assert ["second life" in text for text in texts] in ([False, True], [True, False])


async def test_restarts_at_once_and_a_close_between_leave_nothing(tmp_path: Path) -> None:
    """Fault 34: two pages restart, a third closes."""
    sleep = unique_sleep(122)
    async with machine(tmp_path) as made, made.page() as page:
        await page.run(f"nohup {sleep} >/dev/null 2>&1 &")
        both = [asyncio.create_task(made.terminals.restart("main")) for _ in range(2)]
        await until(lambda: not page.terminal.running)
        await made.terminals.close("main")
        ended = await asyncio.gather(*both, return_exceptions=True)
        assert all(isinstance(each, NotFound) for each in ended)
        assert running(sleep) == []
        assert page.attachment.close_code == 4404
        with pytest.raises(NotFound):
            await made.terminals.restart("main")


async def test_a_machine_that_can_start_no_shell_says_so_and_the_page_can_try_again(
    tmp_path: Path,
) -> None:
    """Fault 49: no file descriptors."""
    import resource

    async with machine(tmp_path, record=False) as made, made.page() as page:
        await page.run("true")
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
        try:
            with pytest.raises(TooMany):
                await made.terminals.restart("main")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        await until(lambda: page.exits == [129])
        seen = page.given
        await page.type("\r")
        await page.sees(PROMPT, since=seen)


async def test_a_title_is_told_and_goes_back_to_the_name(tmp_path: Path) -> None:
    async with machine(tmp_path) as made:
        terminal = await made.terminals.open("main")
        with made.terminals.changes.subscribe() as changes:
            terminal.rename("  the server ")
            assert made.terminals.list()[0].title == "the server"
            assert len(changes.gather()) == 1
            with pytest.raises(InvalidField):
                terminal.rename("\x1b[31m")
            assert made.terminals.list()[0].title == "the server"
            assert changes.gather() == []
            await made.terminals.restart("main")
            assert made.terminals.list()[0].title == "the server"
            terminal.rename("")
            assert made.terminals.list()[0].title is None
