"""How much help one session may have: questions a minute, tokens in all, one answer at a time.

Pure: `now` is any clock in seconds that only goes forward.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

from runtime.domain.errors import HelpLimited

MINUTE = 60.0
BUSY_SECONDS = 2  # when to ask again while another answer is being written
USED_UP_SECONDS = 3600  # nothing comes back by itself; a person may have raised it by then


class Allowance:
    """What is used and what is left; `used_tokens` is of the whole session."""

    def __init__(
        self,
        *,
        per_minute: int,
        session_tokens: int,
        used_tokens: int = 0,
        asked: Iterable[float] = (),
    ) -> None:
        self.used_tokens = used_tokens
        self._per_minute = per_minute
        self._session_tokens = session_tokens
        self._asked = deque(sorted(asked), maxlen=per_minute)
        self._is_busy = False

    @property
    def left_tokens(self) -> int:
        """Tokens that may still be used."""
        return max(0, self._session_tokens - self.used_tokens)

    def begin(self, now: float) -> None:
        """Count one question; raises HelpLimited with the time when it may be asked again."""
        if self._is_busy:
            raise HelpLimited(
                "An answer is still being written. Wait for it, or stop it first.",
                BUSY_SECONDS,
                {"limit": "one at a time"},
            )
        if not self.left_tokens:
            raise HelpLimited(
                "The help of this session is used up. The author's own hints are still there.",
                USED_UP_SECONDS,
                {"limit": "tokens"},
            )
        self._check_rate(now)
        self._asked.append(now)
        self._is_busy = True

    def end(self, tokens: int) -> None:
        """The answer is over and cost `tokens`, in and out."""
        self.used_tokens += tokens
        self._is_busy = False

    def _check_rate(self, now: float) -> None:
        if len(self._asked) < self._per_minute:
            return
        wait = math.ceil(self._asked[0] + MINUTE - now)
        if wait > 0:
            times = "once" if self._per_minute == 1 else f"{self._per_minute} times"
            raise HelpLimited(
                f"You can ask {times} in a minute. Ask again in "
                f"{wait} {'second' if wait == 1 else 'seconds'}.",
                wait,
                {"limit": "per minute"},
            )
