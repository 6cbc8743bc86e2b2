"""Calendar files over HTTP: what lands, what waits, and how a waiting row is corrected."""

from __future__ import annotations

from uuid import uuid4

import aiohttp

from tests.api.conftest import Api

HEAD = "external_id,client_external_id,client_name,client_email,starts_at,duration_min\r\n"
CSV = {"Content-Type": "text/csv; charset=utf-8"}


async def test_good_rows_land_and_bad_ones_wait(api: Api) -> None:
    """One file: the good row is in the calendar, the bad one can be corrected until it lands."""
    mark = uuid4().hex[:8]
    good = f"{mark}-1,c-{mark},Ida Holm,ida.{mark}@clients.example,2031-05-06T10:00,50\r\n"
    bad = f"{mark}-2,c-{mark},Ida Holm,ida.{mark}@clients.example,soon,50\r\n"
    data = (HEAD + good + bad).encode()
    result = await api.call("POST", "/v1/imports", role="front_desk", data=data, headers=CSV)
    assert (result.http, result.body["new"], result.body["bad_known"]) == (200, 1, 0)
    [waiting] = result.body["bad"]
    assert (waiting["line"], waiting["mistakes"][0]["column"]) == (3, "starts_at")
    assert b"Ida" not in result.raw

    again = (await api.call("POST", "/v1/imports", data=data, headers=CSV)).body
    assert (again["new"], again["unchanged"], again["bad_known"]) == (0, 1, 1)

    rows = await api.call("GET", f"/v1/imports/rows?file_id={result.body['file_id']}")
    path = f"/v1/imports/rows/{rows.body['items'][0]['id']}"
    raw = (await api.call("GET", path)).body["raw"]
    assert raw.strip() == bad.strip()
    wrong = await api.call("POST", f"{path}/correct", {"raw": raw.replace("soon", "later")})
    assert (wrong.http, wrong.body["code"]) == (422, "row_still_wrong")
    assert wrong.body["errors"][0]["pointer"] == "/body/raw/starts_at"
    right = await api.call(
        "POST", f"{path}/correct", {"raw": raw.replace("soon", "2031-05-07T10:00")}
    )
    assert (right.http, right.body) == (200, {"change": "new"})
    assert (await api.call("GET", path)).http == 404


async def test_a_form_may_carry_the_file(api: Api) -> None:
    """A browser's form works as a bare body does; discarding closes the bad row."""
    mark = uuid4().hex[:8]
    form = aiohttp.FormData()
    form.add_field("file", (HEAD + f"{mark},,,,,\r\n").encode(), filename="today.csv")
    result = await api.call("POST", "/v1/imports", data=form)
    assert result.http == 200, result.raw
    rows = await api.call("GET", f"/v1/imports/rows?file_id={result.body['file_id']}")
    path = f"/v1/imports/rows/{rows.body['items'][0]['id']}"
    assert (await api.call("POST", f"{path}/discard")).http == 204
    assert (await api.call("POST", f"{path}/discard")).http == 404


async def test_a_form_without_a_file(api: Api) -> None:
    """Other fields are no file, and a broken form is no server error."""
    form = aiohttp.FormData({"note": "x", "file": "not a file"}, default_to_multipart=True)
    answer = await api.call("POST", "/v1/imports", data=form)
    assert (answer.http, answer.body["code"]) == (422, "file_missing")
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    broken = await api.call("POST", "/v1/imports", data=b"--b\r\nbroken", headers=headers)
    assert broken.http in (400, 422)


async def test_unreadable_files_name_their_cure(api: Api) -> None:
    """A file no row of which can be read is refused with the reader's own code."""
    for data in (b"", b"\x00\x01\x02", b"a,b\r\n1,2\r\n"):
        answer = await api.call("POST", "/v1/imports", data=data, headers=CSV)
        assert answer.http == 422, data
        assert answer.body["code"] not in ("request_invalid", "value_not_kept")
