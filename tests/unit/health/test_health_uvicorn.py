"""With a real uvicorn, SIGTERM is seen in readiness before the server stops."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import dreamnet.health

SOURCE = Path(next(iter(dreamnet.health.__path__))).parents[1]

SERVER = """
import signal, sys
import uvicorn
from dreamnet.health import Health

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        if {own_lifespan}:
            await receive(); await send({{"type": "lifespan.startup.complete"}})
            await receive(); await send({{"type": "lifespan.shutdown.complete"}})
            print("clean shutdown", flush=True)
            return
        raise RuntimeError("no lifespan")
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": b"app"}})

health = Health("shop")
health.drain_on_sigterm(delay={delay})
uvicorn.run(health.wrap(app), fd={fd}, loop={loop!r}, lifespan={lifespan!r}, log_level="warning")
"""


@contextmanager
def uvicorn_server(**settings: object) -> Iterator[tuple[subprocess.Popen[str], int]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd, port = listener.fileno(), listener.getsockname()[1]
        values = {"delay": 0.8, "fd": fd, "loop": "asyncio", "lifespan": "auto"}
        values |= {"own_lifespan": True} | settings
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER.format(**values)],
            stdout=subprocess.PIPE,
            pass_fds=[fd],
            text=True,
            env=os.environ | {"PYTHONPATH": str(SOURCE)},
        )
        listener.close()  # from here only the server holds it, so its closing is seen
        try:
            wait_for(lambda: code_of(port, "/health/ready") == 200, 30)
            yield process, port
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def code_of(port: int, path: str) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def wait_for(holds: object, limit: float) -> None:
    end = time.monotonic() + limit
    while not holds():  # type: ignore[operator]  # any predicate
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("loop", "lifespan", "own"),
    [
        ("asyncio", "auto", True),
        ("uvloop", "on", False),
        ("asyncio", "off", True),
    ],
)
def test_readiness_falls_first_then_the_server_stops(loop: str, lifespan: str, own: bool) -> None:
    with uvicorn_server(loop=loop, lifespan=lifespan, own_lifespan=own) as (process, port):
        told = time.monotonic()
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: code_of(port, "/health/ready") == 503, 0.7)
        assert code_of(port, "/health/live") == 200
        assert code_of(port, "/items") == 200  # requests are still served while load balancers look
        status = process.wait(10)
        assert time.monotonic() - told >= 0.8
        assert status == -signal.SIGTERM  # uvicorn raises the signal again once it has shut down
        assert process.stdout is not None
        assert ("clean shutdown" in process.stdout.read()) == (own and lifespan != "off")


def test_a_second_sigterm_stops_at_once() -> None:
    with uvicorn_server(delay=60) as (process, port):
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: code_of(port, "/health/ready") == 503, 5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == -signal.SIGTERM


def test_ctrl_c_is_left_to_the_server() -> None:
    with uvicorn_server(delay=60) as (process, _port):
        process.send_signal(signal.SIGINT)
        process.wait(10)


def test_without_a_server_the_default_action_follows() -> None:
    code = (
        "import asyncio, os, signal\n"
        "from dreamnet.health import Health\n"
        "async def main():\n"
        "    health = Health('job'); health.drain_on_sigterm(delay=0.3)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print(health.lifecycle.is_draining, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    ran = subprocess.run(  # noqa: PLW1510 - the exit status is looked at below
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
    )
    assert (ran.stdout, ran.stderr, ran.returncode) == ("True\n", "", -signal.SIGTERM)


async def test_a_handler_of_the_loop_is_not_delayed_but_draining_shows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    health, called = dreamnet.health.Health("shop"), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, called.set)
    try:
        health.drain_on_sigterm(delay=60)
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(5):
            await called.wait()
        assert health.lifecycle.is_draining
        assert "cannot delay" in caplog.text
        health.lifecycle.stopped()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def test_outside_the_main_thread_a_warning_says_so(caplog: pytest.LogCaptureFixture) -> None:
    import threading

    async def install() -> None:
        dreamnet.health.Health("shop").drain_on_sigterm()

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=lambda: asyncio.run(install()))
    thread.start()
    thread.join()
    assert "outside the main thread" in caplog.text
    assert signal.getsignal(signal.SIGTERM) is before
