"""One publisher, many readers: bounded fan-out inside one event loop.

A reader that falls `limit` items behind is cut off, not waited for; it knows by `overflowed`
and starts again from the log, which has everything.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")

DEFAULT_LIMIT = 64  # items a reader may be behind


class Subscription(Generic[T]):
    """What one reader holds: an async iterator that ends at close or overflow."""

    def __init__(self, limit: int) -> None:
        self.overflowed = False
        self._items: deque[T] = deque()
        self._limit = limit
        self._closed = False
        self._ready = asyncio.Event()

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if self._closed or self.overflowed:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        return self._items.popleft()

    def gather(self) -> list[T]:
        """Everything that is ready now, oldest first; empty when nothing is."""
        items = list(self._items)
        self._items.clear()
        return items

    def _offer(self, item: T) -> None:
        if self._closed or self.overflowed:
            return
        if len(self._items) >= self._limit:
            self.overflowed = True
            self._items.clear()
        else:
            self._items.append(item)
        self._ready.set()

    def _close(self) -> None:
        self._closed = True
        self._ready.set()


class Broadcast(Generic[T]):
    """Publishes to every open subscription; never waits for any of them."""

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._subscriptions: set[Subscription[T]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._subscriptions)

    def publish(self, item: T) -> None:
        """Hand `item` to every reader; call it from the event loop's thread only."""
        for subscription in tuple(self._subscriptions):
            subscription._offer(item)

    @contextmanager
    def subscribe(self) -> Iterator[Subscription[T]]:
        """A subscription for the length of the `with` block."""
        subscription: Subscription[T] = Subscription(self._limit)
        if self._closed:
            subscription._close()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            subscription._close()

    def close(self) -> None:
        """End every subscription after what it already holds; later ones end at once."""
        self._closed = True
        for subscription in tuple(self._subscriptions):
            subscription._close()


class Signal:
    """A version that only grows: a reader waits for one newer than it has seen.

    Nothing queues: a slow reader skips versions and reads the newest state once.
    """

    def __init__(self) -> None:
        self.version = 0
        self.closed = False
        self._next: asyncio.Future[None] | None = None

    def fire(self) -> None:
        """There is a new version."""
        self.version += 1
        self._wake()

    def close(self) -> None:
        """Nothing new will come; everyone who waits wakes up."""
        self.closed = True
        self._wake()

    async def after(self, version: int) -> int:
        """The newest version once it is newer than `version`, or once the signal is closed."""
        while self.version <= version and not self.closed:
            if self._next is None:
                self._next = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._next)
        return self.version

    def _wake(self) -> None:
        if self._next is not None:
            self._next.set_result(None)
            self._next = None
