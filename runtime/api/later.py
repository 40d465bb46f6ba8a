"""What a start does not wait for: the API is loaded behind the first answers of health."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from runtime.api import health


class Later:
    """ASGI middleware: whoever wants more than health waits until `load` has been done, once."""

    def __init__(self, app: ASGIApp, *, load: Callable[[], Awaitable[None]]) -> None:
        self._app = app
        self._load = load
        self._loaded = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._loaded and scope["type"] != "lifespan" and scope["path"] not in health.PATHS:
            await self._load()
            self._loaded = True
        await self._app(scope, receive, send)
