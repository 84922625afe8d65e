"""The gRPC probe: grpc.health.v1 Check over a new connection; SERVING is good.

Imported only once a gRPC probe exists: grpc costs time, memory and a thread of its own.
"""

from __future__ import annotations

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2

from dreamnet.model.services import Probe
from dreamnet.senses.asker import Answer
from dreamnet.senses.secrecy import Quote
from dreamnet.senses.target import Target

_METHOD = "/grpc.health.v1.Health/Check"
_NAMES = {number: name for name, number in health_pb2.HealthCheckResponse.ServingStatus.items()}
_CONNECT_LIMIT_MS = "grpc.min_reconnect_backoff_ms"  # else a half-open connection stays 20 s
_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),  # else channels share connections and back-off
    ("grpc.primary_user_agent", "dreamnet-probe"),
    ("grpc.default_authority", "127.0.0.1"),
    ("grpc.max_receive_message_length", 65_536),
)
_HINTS = {
    grpc.StatusCode.UNIMPLEMENTED: "the server does not offer grpc.health.v1.Health; "
    "add it, or probe with { tcp = true }",
    grpc.StatusCode.NOT_FOUND: "the server's health service does not know this service name",
}


class GrpcAsker:
    """Calls Check of the standard health protocol."""

    async def ask(self, target: Target, probe: Probe) -> Answer:
        """Check once; DEADLINE_EXCEEDED raises TimeoutError like the caller's own limit."""
        limit_ms = int(probe.timeout.total_seconds() * 1000)
        channel = grpc.aio.insecure_channel(
            target.instance.address, options=(*_OPTIONS, (_CONNECT_LIMIT_MS, limit_ms))
        )
        try:
            return await _check(channel, probe)
        except grpc.aio.AioRpcError as error:
            return _refusal(error)
        finally:
            await channel.close()

    async def aclose(self) -> None:
        """Nothing is shared."""


async def _check(channel: grpc.aio.Channel, probe: Probe) -> Answer:
    request = health_pb2.HealthCheckRequest(service=probe.service)
    limit_s = probe.timeout.total_seconds()
    check = channel.unary_unary(
        _METHOD,
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    status = (await check(request, timeout=limit_s)).status
    good = status == health_pb2.HealthCheckResponse.SERVING
    return Answer(good=good, output=_NAMES.get(status, f"unknown status {status}"))


def _refusal(error: grpc.aio.AioRpcError) -> Answer:
    code = error.code()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        raise TimeoutError from error
    if hint := _HINTS.get(code):
        return Answer(good=False, output=f"{code.name}: {hint}")
    return Answer(good=False, output=code.name, quote=Quote(error.details() or ""))
