"""The system's Firefox, driven through its own WebDriver BiDi server.

Playwright drives only a Firefox of its own making. https://w3c.github.io/webdriver-bidi/
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

FIREFOX = "/usr/bin/firefox-esr"
FLAGS = ("--headless", "--no-remote", "--remote-debugging-port", "0")
START_SECONDS = 90.0
ANSWER_SECONDS = 60.0
PREFERENCES = {  # nothing that asks for another address than the test's
    "app.normandy.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.server": "",
}
KEYS = {  # https://www.w3.org/TR/webdriver2/#keyboard-actions
    "Alt": "\ue00a",
    "Backspace": "\ue003",
    "Control": "\ue009",
    "Enter": "\ue006",
    "Escape": "\ue00c",
    "Insert": "\ue016",
    "Shift": "\ue008",
    "Tab": "\ue004",
}


class Tab:
    """One page in Firefox."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._asked = 0
        self.ask("session.new", capabilities={})
        # In the first tab the address bar has the focus: keys would press no button of the page.
        self._context = self.ask("browsingContext.create", type="tab")["context"]
        viewport = {"width": 1440, "height": 900}
        self.ask("browsingContext.setViewport", context=self._context, viewport=viewport)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:  # Any: JSON
        """One command and its answer."""
        self._asked += 1
        command = {"id": self._asked, "method": method, "params": parameters}
        self._socket.send(json.dumps(command))
        while True:
            said = json.loads(self._socket.recv(ANSWER_SECONDS))
            if said.get("id") == self._asked:
                assert said["type"] == "success", f"{method}: {said}"
                result: dict[str, Any] = said["result"]
                return result

    def goto(self, address: str) -> None:
        """Show a page."""
        self.ask("browsingContext.navigate", context=self._context, url=address, wait="complete")

    def evaluate(self, expression: str) -> Any:  # Any: JSON
        """What a script's expression is, as JSON."""
        said = self.ask(
            "script.evaluate",
            expression=f"JSON.stringify({expression})",
            target={"context": self._context},
            awaitPromise=True,
        )
        assert said["type"] == "success", f"{expression}: {said['exceptionDetails']['text']}"
        value = said["result"].get("value")
        return None if value is None else json.loads(value)

    def press(self, combination: str) -> None:
        """Such as `Control+Shift+C`."""
        keys = [KEYS.get(each, each) for each in combination.split("+")]
        down = [{"type": "keyDown", "value": key} for key in keys]
        self._keys(down + [{"type": "keyUp", "value": key} for key in reversed(keys)])

    def type(self, text: str) -> None:
        """Characters, one key after the other."""
        self._keys(
            [{"type": kind, "value": each} for each in text for kind in ("keyDown", "keyUp")]
        )

    def click(self, x: float, y: float, times: int = 1) -> None:
        """With the left button."""
        moved = {"type": "pointerMove", "x": round(x), "y": round(y)}
        clicked = [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        self._act({"type": "pointer", "id": "mouse", "actions": [moved, *clicked * times]})

    def _keys(self, actions: list[dict[str, str]]) -> None:
        self._act({"type": "key", "id": "keyboard", "actions": actions})

    def _act(self, source: dict[str, Any]) -> None:
        self.ask("input.performActions", context=self._context, actions=[source])


@contextmanager
def firefox() -> Iterator[Tab]:
    """A Firefox with a profile of its own and one tab; without the program, a failure."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in PREFERENCES.items()]
        (Path(profile) / "user.js").write_text("\n".join(lines))
        said = Path(profile) / "said"
        with said.open("wb") as log:
            process = subprocess.Popen(
                (FIREFOX, *FLAGS, "--profile", profile),
                env={"HOME": profile, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
                stdout=log,
                stderr=log,
            )
        try:
            with connect(f"{_address(process, said)}/session", max_size=None) as socket:
                yield Tab(socket)
        finally:
            process.terminate()
            process.wait(30)


def _address(process: subprocess.Popen[bytes], said: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"BiDi listening on (ws://\S+)", said.read_text(errors="replace")):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"Firefox did not start: {said.read_text(errors='replace')[-2000:]}")
