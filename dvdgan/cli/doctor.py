"""The command `dvdgan doctor`."""

import json
from dataclasses import asdict
from typing import Annotated, Optional

import typer

from dvdgan.cli.options import PARAMS, Params, app
from dvdgan.errors import EXIT_USER_ERROR


@app.command()
def doctor(
    checks: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(help="Names of checks.", show_default="all"),
    ] = None,
    params: Params = PARAMS,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds after which a check is stopped and fails.")
    ] = 60.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a list of {name, state, message, todo}.")
    ] = False,
) -> None:
    """Check this machine before a long run, and show what to do about each problem.

    It checks what params.yaml and machine.yaml use: environment, gpu, processes, weights, disk,
    locks, dvc, videos, shards, backup, clock, prefect. Each line is ok, a warning (the run starts,
    and may be slow or fail later), a failure or not used. Nothing is left behind: files and objects
    that are written for a check are deleted. docs/doctor.md explains each check.

    Exit codes: 0 if nothing fails, 2 otherwise.

    \b
    dvdgan doctor
    dvdgan doctor disk locks
    """
    from dvdgan.doctor.checks import diagnose
    from dvdgan.doctor.finding import FAILS
    from dvdgan.doctor.settings import read_settings
    from dvdgan.doctor.text import lines_of, summary

    settings, findings = read_settings(params, timeout), []
    settings.machine.share()  # with the processes of the checks
    for finding in diagnose(settings, checks or ()):
        findings.append(finding)
        if not as_json:
            print(lines_of(finding), flush=True)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        print(summary(findings))
    if any(finding.state == FAILS for finding in findings):
        raise typer.Exit(EXIT_USER_ERROR)
