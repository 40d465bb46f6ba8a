"""Where a request comes from, by its headers: the rules that keep other sites out, for every server
of the project, and the headers that every answer carries.
"""

from __future__ import annotations

from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        # WebAssembly, for the player of recordings, and no other way to make code of data.
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",  # xterm.js and mermaid set styles
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "object-src 'none'",
    )
)
SECURITY_HEADERS = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)


class Headers:
    """The raw headers of a request; a header sent twice has no single value."""

    def __init__(self, raw: Sequence[tuple[bytes, bytes]]) -> None:
        self._raw = raw

    def all(self, name: str) -> list[str]:
        """Every value of one header."""
        wanted = name.encode()
        return [value.decode("latin-1") for key, value in self._raw if key.lower() == wanted]

    def only(self, name: str) -> str | None:
        """The value of a header that was sent once and is not empty."""
        values = self.all(name)
        return values[0] if len(values) == 1 and values[0] else None

    def cookies(self) -> dict[str, str]:
        """The cookies that can be read."""
        jar: SimpleCookie = SimpleCookie()
        for line in self.all("cookie"):
            try:
                jar.load(line)
            except CookieError:
                continue
        return {name: morsel.value for name, morsel in jar.items()}


def bearer_token(authorization: str | None) -> str | None:
    """The token of an Authorization header, if that is what it holds."""
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def foreign_sentence(
    headers: Headers, host: str, bearer: str | None, *, method: str | None
) -> str | None:
    """Why the request comes from another site, or None when it does not.

    `method` is None for a WebSocket. Origins are compared by host and port; whatever ends TLS in
    front of us changes the scheme.
    """
    origins = headers.all("origin")
    if origins:
        if len(origins) == 1 and _authority(origins[0]) == host.lower():
            return None
        return "Another site may not talk to this workshop."
    if bearer is not None:
        return None
    if method not in SAFE_METHODS:
        return "The request must carry the page's own Origin, or a bearer token."
    site = headers.only("sec-fetch-site")
    if site in ("cross-site", "same-site") and headers.only("sec-fetch-mode") != "navigate":
        return "Another site may not talk to this workshop."
    return None


def _authority(origin: str) -> str | None:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or parts.path or parts.query or parts.username:
        return None
    return parts.netloc.lower()
