"""Watches a URL: one GET over a new connection, judged by status, text and certificate."""

from __future__ import annotations

import ssl
from datetime import datetime
from typing import Any

import aiohttp
from yarl import URL

from dreamnet.model.watches import UrlWatch, WatchFailure
from dreamnet.senses.far import FarAnswer, certificate_ends, failed

MOST_BYTES = 2**20
_HEADERS = {"User-Agent": "dreamnet-watch", "Accept-Encoding": "identity"}
_NO_LIMIT = aiohttp.ClientTimeout(total=None, sock_connect=None)  # the watcher limits the whole


class _Response(aiohttp.ClientResponse):
    """An answer that remembers the certificate: its connection may be gone once it is read."""

    certificate_ends: datetime | None = None

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        """Read the head."""
        self.certificate_ends = certificate_ends(connection.transport)
        return await super().start(connection)


class FarHttp:
    """GETs URLs; needs a running event loop when it is made. Follows no redirect."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, force_close=True, use_dns_cache=False, ssl=context
            ),
            response_class=_Response,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            timeout=_NO_LIMIT,
            auto_decompress=False,
            trust_env=False,
        )

    async def ask(self, watch: UrlWatch) -> FarAnswer:
        """GET once; a bad answer tells its kind and quotes nothing of what the target said."""
        try:
            return await self._get(watch)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _failed(error)

    async def _get(self, watch: UrlWatch) -> FarAnswer:
        url = URL(watch.url.get_secret_value())
        response = await self._session.get(url, allow_redirects=False)
        try:
            ends = response.certificate_ends if isinstance(response, _Response) else None
            if response.status not in watch.status:
                words = f"status {response.status}, expected {watch.status}"
                return FarAnswer(words, WatchFailure.STATUS, ends)
            if watch.contains and not await _holds(response.content, watch.contains.encode()):
                words = f"status {response.status}, but the expected text is missing"
                return FarAnswer(words, WatchFailure.TEXT, ends)
            return FarAnswer(f"status {response.status}", certificate_ends=ends)
        finally:
            response.close()

    async def aclose(self) -> None:
        """Close the session."""
        await self._session.close()


async def _holds(content: aiohttp.StreamReader, text: bytes) -> bool:
    body = bytearray()
    while text not in body and len(body) < MOST_BYTES:
        piece = await content.read(MOST_BYTES - len(body))
        if not piece:
            break
        body += piece
    return text in body


def _failed(error: Exception) -> FarAnswer:
    match error:
        case aiohttp.ClientConnectorCertificateError() if isinstance(
            error.certificate_error, OSError
        ):
            return failed(error.certificate_error)
        case aiohttp.ClientConnectorError():
            return failed(error.os_error)
        case aiohttp.ServerDisconnectedError():
            return _broken("closed the connection without an answer")
        case aiohttp.ClientPayloadError():
            return _broken("the answer broke off")
        case aiohttp.ClientResponseError():
            return _broken("the answer is not HTTP")
        case OSError():
            return failed(error)
        case _:
            return _broken(f"no answer: {type(error).__name__}")


def _broken(words: str) -> FarAnswer:
    return FarAnswer(words, WatchFailure.NETWORK)
