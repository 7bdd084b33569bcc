"""The application, and options shared by its commands."""

from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from typer.core import TyperGroup

import dvdgan
from dvdgan.errors import UserError
from dvdgan.video.preprocessing import AxisOrder, ValueRange


class CommandGroup(TyperGroup):
    """Lists every command with its whole first sentence, wrapped to the width."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # of the click inside typer
        helps = {name: (command.help or "").strip() for name, command in self.commands.items()}
        with formatter.section("Commands"):
            formatter.write_dl([(name, text.partition("\n")[0]) for name, text in helps.items()])


app = typer.Typer(
    name="dvdgan",
    cls=CommandGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="""Train, watch and evaluate DVD-GAN, a class-conditional video GAN.

    Each stage of the pipeline is a command; `dvc repro` runs them in order and skips what is up to
    date. All parameters are in params.yaml.

    Exit codes: 0 success; 2 an error that you can fix, with a message; 75 interrupted, the same
    command resumes.
    """,
)


def _print_version(requested: bool) -> None:
    if requested:
        print(f"dvdgan {dvdgan.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Options of dvdgan itself; its help text is that of ``app``."""


Params = Annotated[
    Path, typer.Option(help="The experiment: every parameter of every stage.", show_default=True)
]
Workers = Annotated[
    Optional[int],  # noqa: UP045  (typer reads the annotation at run time)
    typer.Option(
        min=1, help="Number of processes; does not change the result.", show_default="cores"
    ),
]
ContinueRun = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        metavar="RUN", help="Resume this run of .runs/train, which was started by other code."
    ),
]
NewRun = Annotated[
    bool,
    typer.Option("--new-run", help="Start a new run although one started by other code exists."),
]
ArrayLayout = Annotated[
    Optional[AxisOrder],  # noqa: UP045
    typer.Option(help="Axes of that side's array.", show_default="the one that has 3 channels"),
]
ArrayRange = Annotated[
    Optional[ValueRange],  # noqa: UP045
    typer.Option(help="Levels of that side's array of floats.", show_default="[-1, 1]"),
]
PARAMS = Path("params.yaml")


def reject_unused_options(context: typer.Context) -> None:
    """Raise UserError for options of `evaluate` that the others make useless."""
    given = {}
    for option in context.command.params:
        source = context.get_parameter_source(str(option.name))
        if source is not None and source.name == "COMMANDLINE":
            given[option.name] = option.opts[0]
    if {"generated", "real"} & given.keys():
        what, unused = "--generated", given.keys() & {"params", "checkpoint"}
    elif "checkpoint" in given:
        what, unused = "--checkpoint", given.keys() - {"checkpoint", "write"}
    else:
        what, unused = "the pipeline's bundle", given.keys() - {"params"}
    if unused:
        options = ", ".join(option for name, option in given.items() if name in unused)
        raise UserError(
            f"measuring {what} does not use {options}",
            todo="--params goes with the bundle, --write with --checkpoint or --generated, all the "
            "others with --generated and --real",
        )
