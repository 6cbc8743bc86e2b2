"""A demo's pages stay on this machine, whatever proxy its environment names."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from typing import Any

import apprise
import pytest
from aiohttp import web

from mentalspace.kernel.interpreter import keep_loopback_direct


async def test_a_page_to_this_machine_takes_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a proxy in the environment, a page to the sandbox's pager goes there directly."""
    met: list[str] = []

    def server(name: str) -> Callable[[web.BaseRequest], Coroutine[Any, Any, web.Response]]:
        async def answer(_request: web.BaseRequest) -> web.Response:
            met.append(name)
            return web.Response()

        return answer

    runners = [web.ServerRunner(web.Server(server(name))) for name in ("pager", "proxy")]
    ports = []
    for runner in runners:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ports.append(runner.addresses[0][1])
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{ports[1]}")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    monkeypatch.setenv("no_proxy", "")
    try:
        for expected in ("proxy", "pager"):
            notifier = apprise.Apprise()
            notifier.add(f"json://127.0.0.1:{ports[0]}/pager/oncall")
            assert await notifier.async_notify(title="t", body="b")
            assert met.pop() == expected
            keep_loopback_direct(os.environ)
    finally:
        for runner in runners:
            await runner.cleanup()
    assert os.environ["no_proxy"].split(",")[0] == "inside.example"
