"""Watches ports, names and certificates: what needs no HTTP."""

from __future__ import annotations

import asyncio
import socket
import ssl

from dreamnet.model.watches import CertificateWatch, DnsWatch, TcpWatch, WatchFailure
from dreamnet.senses.far import FarAnswer, certificate_ends, failed


async def ask_tcp(watch: TcpWatch) -> FarAnswer:
    """Open a connection and close it again, without a byte sent."""
    loop = asyncio.get_running_loop()
    where = watch.address
    try:
        transport, _ = await loop.create_connection(asyncio.Protocol, where.host, where.port)
    except OSError as error:
        return failed(error)
    transport.abort()
    return FarAnswer("connected")


async def ask_certificate(watch: CertificateWatch, context: ssl.SSLContext) -> FarAnswer:
    """Shake hands by TLS from the first byte on, and look at the certificate."""
    loop = asyncio.get_running_loop()
    where = watch.address
    try:
        transport, _ = await loop.create_connection(
            asyncio.Protocol, where.host, where.port, ssl=context, server_hostname=where.host
        )
    except OSError as error:
        return failed(error)
    ends = certificate_ends(transport)
    transport.abort()
    return FarAnswer("certificate trusted", certificate_ends=ends)


async def ask_dns(watch: DnsWatch) -> FarAnswer:
    """Resolve a name as every program of this machine would (hosts file included)."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(watch.host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return failed(error)
    addresses = sorted({str(address[0]) for *_, address in found})
    told = ", ".join(addresses)
    if watch.expect and set(watch.expect) != set(addresses):
        words = f"resolves to {told}, expected {', '.join(watch.expect)}"
        return FarAnswer(words, WatchFailure.ADDRESSES)
    return FarAnswer(f"resolves to {told}")
