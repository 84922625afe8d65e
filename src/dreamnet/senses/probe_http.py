"""The HTTP probe: one GET over a new connection; 200 to 399 is good."""

from __future__ import annotations

import aiohttp
from yarl import URL

from dreamnet.model.services import Probe
from dreamnet.senses.asker import Answer
from dreamnet.senses.oserror import in_words
from dreamnet.senses.secrecy import Quote
from dreamnet.senses.target import Target

_MOST_BYTES = 1024
_HEADERS = {"Host": "127.0.0.1", "User-Agent": "dreamnet-probe", "Accept-Encoding": "identity"}
_NO_LIMIT = aiohttp.ClientTimeout(total=None, sock_connect=None)  # the prober limits the whole


class HttpAsker:
    """GETs a path; needs a running event loop when it is made.

    Every question opens a connection of its own: a kept-alive one would go on answering while the
    service accepts nobody new (a full accept queue, a dead acceptor), which is what users meet.
    """

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            timeout=_NO_LIMIT,
            auto_decompress=False,
            trust_env=False,
        )

    async def ask(self, target: Target, probe: Probe) -> Answer:
        """GET once, follow no redirect; a bad answer quotes the start of its body."""
        try:
            return await self._get(_url(target, probe.path))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(good=False, output=_in_words(error))

    async def _get(self, url: URL) -> Answer:
        response = await self._session.get(url, allow_redirects=False)
        try:
            body, cut = await _beginning(response.content)
        finally:
            response.close()
        if 200 <= response.status < 400:
            return Answer(good=True, output=str(response.status))
        quote = Quote(body.decode(errors="ignore"), cut=cut)
        return Answer(good=False, output=str(response.status), quote=quote)

    async def aclose(self) -> None:
        """Close the session."""
        await self._session.close()


def _url(target: Target, path: str) -> URL:
    host = target.instance.host
    host = f"[{host}]" if ":" in host else host
    return URL(f"http://{host}:{target.instance.port}/{path.removeprefix('/')}")


async def _beginning(content: aiohttp.StreamReader) -> tuple[bytes, bool]:
    body = b""
    while len(body) < _MOST_BYTES:
        piece = await content.read(_MOST_BYTES - len(body))
        if not piece:
            return body, False
        body += piece
    return body, True


def _in_words(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorError():
            return in_words(error.os_error)
        case aiohttp.ServerDisconnectedError():
            return "closed the connection without an answer"
        case aiohttp.ClientPayloadError():
            return "the answer broke off"
        case aiohttp.ClientResponseError():
            return "the answer is not HTTP"
        case OSError():
            return in_words(error)
        case _:
            return type(error).__name__
