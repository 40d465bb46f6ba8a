"""What an answer costs, read along while the relay passes it on."""

from __future__ import annotations

import json

from host.ledger import Spent

BYTES_PER_TOKEN = 4
MAX_LINE_BYTES = 1 << 20  # 1 MiB


class Meter:
    """Reads along what an answer costs; estimates what the model did not come to say."""

    def __init__(self, estimated_input: int) -> None:
        self._input = estimated_input
        self._output: int | None = None
        self._written = 0
        self._rest = b""

    @property
    def spent(self) -> Spent:
        """Tokens so far."""
        written = self._written // BYTES_PER_TOKEN
        if self._output is None:
            return Spent(self._input, written)
        return Spent(self._input, max(self._output, written // 2))  # whatever it says

    def feed(self, piece: bytes) -> None:
        """The next bytes of the stream."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                self._read(line[5:])
        self._rest = self._rest[-MAX_LINE_BYTES:]

    def _read(self, data: bytes) -> None:
        try:
            event = json.loads(data)
            match event["type"]:
                case "message_start":
                    usage = event["message"]["usage"]
                    cached = ("cache_creation_input_tokens", "cache_read_input_tokens")
                    self._input = int(usage["input_tokens"])
                    self._input += sum(int(usage.get(name) or 0) for name in cached)
                case "message_delta":
                    self._output = int(event["usage"]["output_tokens"])
                case "content_block_delta":
                    self._written += len(str(event["delta"].get("text", "")).encode())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return  # not ours to judge
