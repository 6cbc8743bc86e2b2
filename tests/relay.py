"""A real mail server of somebody else's making, run for a test: chasquid, on a port of ours."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.certificate import certificate_for
from tests.house import free_ports, until
from tests.system_packages import find_relay

# It counts as another machine's address, so that everything said there is encrypted.
HOST = "127.0.0.2"
DOMAIN = "clinic.example"
USERNAME = f"mentalspace@{DOMAIN}"
PASSWORD = "correct horse"
_CONFIG = """
hostname: "relay.example"
submission_address: "{host}:{port}"
submission_over_tls_address: "{host}:{tls_port}"
data_dir: "{home}/data"
mail_log_path: "{home}/mail.log"
max_data_size_mb: 1
mail_delivery_agent_bin: "{home}/deliver"
mail_delivery_agent_args: "%to%"
"""
# A delivery agent is handed the mail on its standard input; it counts as read once it is whole.
_DELIVER = """#!/bin/sh
cat > "{home}/box/$$.part" && mv "{home}/box/$$.part" "{home}/box/$$.eml"
"""


@dataclass(frozen=True, slots=True)
class Relay:
    """`certificate` is what its clients must trust. Only `client@` of its domain has a mailbox."""

    port: int
    tls_port: int
    certificate: Path
    box: Path

    async def received(self, count: int) -> list[bytes]:
        """The mails that were delivered, once there are so many."""

        async def there() -> bool:
            return len(list(self.box.glob("*.eml"))) >= count

        await until(there)
        return [path.read_bytes() for path in sorted(self.box.glob("*.eml"))]


@asynccontextmanager
async def running_relay(home: Path) -> AsyncIterator[Relay]:
    """It answers while the block lasts. Fails, saying what to run, if there is no such server."""
    program = find_relay()
    assert program is not None, "no mail server here: python tests/system_packages.py gets one"
    port = free_ports()
    relay = Relay(port, port + 1, certificate_for(home, HOST), home / "box")
    _furnish(home, program, relay)
    process = await asyncio.create_subprocess_exec(
        program, "-config_dir", home, stderr=subprocess.DEVNULL
    )
    try:
        await until(lambda: _listens(relay.port))
        await until(lambda: _listens(relay.tls_port))
        yield relay
    finally:
        process.terminate()
        await process.wait()


def _furnish(home: Path, program: Path, relay: Relay) -> None:
    for folder in ("box", "data", "certs/relay.example", f"domains/{DOMAIN}"):
        (home / folder).mkdir(parents=True)
    pem = relay.certificate.read_text()
    key_begins = pem.index("-----BEGIN PRIVATE KEY")
    (home / "certs/relay.example/fullchain.pem").write_text(pem[:key_begins])
    (home / "certs/relay.example/privkey.pem").write_text(pem[key_begins:])
    ports = {"port": relay.port, "tls_port": relay.tls_port}
    (home / "chasquid.conf").write_text(_CONFIG.format(host=HOST, home=home, **ports))
    (home / "deliver").write_text(_DELIVER.format(home=home))
    (home / "deliver").chmod(0o700)
    for user in (USERNAME, f"client@{DOMAIN}"):
        words = [str(program.with_name("chasquid-util")), f"-C={home}", "user-add", user]
        subprocess.run([*words, f"--password={PASSWORD}"], check=True, capture_output=True)


async def _listens(port: int) -> bool:
    with contextlib.suppress(OSError):
        _reader, writer = await asyncio.open_connection(HOST, port)
        writer.close()
        return True
    return False
