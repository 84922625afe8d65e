"""A heartbeat by URL: one GET, answered by 200 to 299; no redirect is followed, no body kept."""

from __future__ import annotations

import asyncio
import os
import ssl

import aiohttp
from pydantic import SecretStr
from yarl import URL

from dreamnet.kernel.errors import Unavailable

LIMIT_S = 10.0
_HEADERS = {"User-Agent": "dreamnet-heartbeat"}


class HttpsHeartbeat:
    """GETs a URL over a new connection; the URL is a secret and never told.

    Without `context` the certificates that this machine trusts are trusted.
    """

    def __init__(
        self, url: SecretStr, *, limit_s: float = LIMIT_S, context: ssl.SSLContext | None = None
    ) -> None:
        self._url = url
        self._limit_s = limit_s
        self._context = context

    async def beat(self) -> None:
        """GET once; `Unavailable` when nobody answers in time, or with another status."""
        try:
            async with asyncio.timeout(self._limit_s):
                status = await self._get()
        except TimeoutError:
            raise Unavailable(f"no answer within {self._limit_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # `from None`: the library's own words name the host and the path.
            raise Unavailable(_in_words(error)) from None
        if not 200 <= status < 300:
            raise Unavailable(f"answered with status {status}")

    async def _get(self) -> int:
        connector = aiohttp.TCPConnector(ssl=self._context or True, use_dns_cache=False)
        session = aiohttp.ClientSession(
            connector=connector,
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            trust_env=False,
        )
        async with session:
            url = URL(self._url.get_secret_value())
            response = await session.get(url, allow_redirects=False)
            response.close()
            return response.status


def _in_words(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "the name does not resolve"
        case aiohttp.ClientConnectorCertificateError():
            return "the certificate is not trusted"
        case aiohttp.ClientSSLError():
            return "TLS failed"
        case aiohttp.ClientConnectorError() if error.os_error.errno:
            return os.strerror(error.os_error.errno).lower()
        case aiohttp.ClientResponseError():
            return "the answer is not HTTP"
        case aiohttp.ServerDisconnectedError():
            return "closed the connection without an answer"
        case _:
            return f"no answer: {type(error).__name__}"
