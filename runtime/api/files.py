"""Files as answers, with ranges as recordings have them: Starlette's own refuses a malformed range
in a shape of its own, and answers as many ranges as somebody cares to list."""

from __future__ import annotations

import asyncio
import os

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from runtime.api.errors import error_response
from runtime.api.recordings import Unsatisfiable, choose


class FileAnswer(FileResponse):
    """A file or one part of it; any other Range is ignored, as RFC 9110 allows."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        wanted = headers.get("range")
        if wanted is not None:
            size = (await asyncio.to_thread(os.stat, self.path)).st_size
            try:
                is_one = choose(wanted, size) is not None
            except Unsatisfiable:
                if "if-range" not in headers:
                    await _refusal(size)(scope, receive, send)
                    return
                is_one = False
            if not is_one:
                rest = [each for each in scope["headers"] if each[0] != b"range"]
                scope = {**scope, "headers": rest}
        await super().__call__(scope, receive, send)


def _refusal(size: int) -> Response:
    return error_response(
        416,
        "range_not_satisfiable",
        f"The file has {size} bytes; none of them is in that range.",
        headers={"content-range": f"bytes */{size}"},
    )
