"""The pages of thirty days, as a visitor's browser gets them."""

from __future__ import annotations

import re
import time

import aiohttp

from benchmarks.figure import Figure, percentile
from benchmarks.meter import cpu_of, load
from benchmarks.stage import Stage
from mentalspace.engine.db import connect_owner

AIM_S = 0.2
DAYS = 30
TIMES = 20
_FIGURES = "/messages/figures"
_OF_ALL = {f"all practices' {DAYS} days": _FIGURES, "the fleet": "/", "the alert rules": "/alerts"}

_NAIVE_PAGE = """
select date_trunc('day', coalesce(d.accepted_at, d.ended_at)) as day, d.status, count(*),
       percentile_cont(array[0.5, 0.95]) within group
         (order by extract(epoch from d.accepted_at - d.due_at))
  from delivery d
 where d.practice_id = $1 and d.drill is null
   and coalesce(d.accepted_at, d.ended_at) > app.now() - $2 * interval '1 day'
 group by 1, 2
"""


async def measure(stage: Stage) -> list[Figure]:
    """A practice's, for its administrator; and what whoever is on call sees of all together."""
    own, note = await _get(stage, "admin@demo.example", _FIGURES)
    p95 = percentile(own, 0.95)
    figures = [
        Figure(
            f"a practice's page of {DAYS} days by HTTP, p50", percentile(own, 0.5), "s",
            "its counts alone, from the ledger", await _naive(stage), less_is_better=True,
            note=note,
        ),
        Figure("the same, p95", p95, "s", aim=f"under {AIM_S:g} s", met=p95 < AIM_S, note=load()),
    ]  # fmt: skip
    for name, path in _OF_ALL.items():
        took, note = await _get(stage, "oncall@demo.example", path)
        figures.append(Figure(f"on call: {name}, p50", percentile(took, 0.5), "s", note=note))
    return figures


async def _get(stage: Stage, who: str, path: str) -> tuple[list[float], str]:
    """Seconds of each request until all of the page is there, and what it cost the server."""
    base = f"http://127.0.0.1:{stage.services.settings.port}"
    api = await stage.installation.victim("api")
    assert api is not None, "there is no API to ask"
    took: list[float] = []
    async with aiohttp.ClientSession(base, cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        await _log_in(http, who, stage.installation.app.demo_password)
        await _ask(http, path)  # warm
        spent = cpu_of((api.pid,))
        for _ in range(TIMES):
            began = time.monotonic()
            await _ask(http, path)
            took.append(time.monotonic() - began)
    each = (cpu_of((api.pid,)) - spent) / TIMES
    return took, f"{TIMES} requests, the API's CPU {each:.3f} s each, {load()}"


async def _ask(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path, allow_redirects=False) as answer:
        text = await answer.text()
    assert answer.status == 200 and "</html>" in text, f"{path} answered {answer.status}"


async def _log_in(http: aiohttp.ClientSession, who: str, password: str) -> None:
    async with http.get("/login") as page:
        found = re.search(r'name="token" value="([^"]*)"', await page.text())
    assert found, "the page has no token"
    form = {"token": found[1], "email": who, "password": password, "next": "/"}
    async with http.post("/login", data=form, allow_redirects=False) as answer:
        assert answer.status == 303, f"{who} is not let in: {answer.status}"


async def _naive(stage: Stage) -> float:
    async with connect_owner(stage.services.admin_url) as owner:
        began = time.monotonic()
        await owner.fetch(_NAIVE_PAGE, stage.practice_id, DAYS)
        return time.monotonic() - began
