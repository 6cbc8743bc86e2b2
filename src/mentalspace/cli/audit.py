"""The audit from the command line: does every chain still hold?"""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from mentalspace.cli.application import MakeApplication
from mentalspace.cli.ask import ask
from mentalspace.cli.system import Json


def add(app: typer.Typer, make: MakeApplication) -> None:
    audit = typer.Typer(help="Who read or did what.", no_args_is_help=True)
    app.add_typer(audit, name="audit")

    @audit.callback()
    def _() -> None: ...

    @audit.command()
    def verify(as_json: Json = False) -> None:
        """Read every chain from its first entry; say where one does not hold.

        Compare the heads with those in the worker's log or your own notes: whoever cuts off the
        newest entries, and the head with them, shows only there.
        """
        from mentalspace.practice.audit import verify as verify_chains

        chains = ask(make(), lambda services: verify_chains(services.database))
        whole = all(chain.broken_at is None for chain in chains)
        if as_json:
            print(json.dumps({"ok": whole, "chains": list(map(asdict, chains))}, indent=2))
        else:
            for chain in chains:
                fault = f"BROKEN at entry {chain.broken_at}: {chain.reason}"
                state = "whole" if chain.broken_at is None else fault
                print(f"{chain.practice}: {chain.entries} entries, {state}; head {chain.head}")
        raise typer.Exit(0 if whole else 1)
