"""The application, and options of its verbs."""

from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from typer.core import TyperGroup

import dvdgan
from dvdgan.errors import UserError
from dvdgan.video.preprocessing import AxisOrder, ValueRange


class Verbs(TyperGroup):
    """Lists every verb with its first sentence whole, wrapped at any width."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # of the click inside typer
        helps = {name: (command.help or "").strip() for name, command in self.commands.items()}
        with formatter.section("Commands"):
            formatter.write_dl([(name, text.partition("\n")[0]) for name, text in helps.items()])


app = typer.Typer(
    name="dvdgan",
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="""Train, watch and evaluate DVD-GAN, a class-conditional video GAN.

    Each stage of the pipeline is one verb; `dvc repro` runs them in order and skips what is up to
    date. All that moves a number stands in params.yaml.

    Exit codes: 0 done; 2 something for you to mend, said in words; 75 interrupted, the same command
    goes on where it stopped.
    """,
)


def _print_version(asked: bool) -> None:
    if asked:
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
    """Options of dvdgan itself; the help is that of ``app``."""


Params = Annotated[
    Path, typer.Option(help="The experiment: every parameter of every stage.", show_default=True)
]
Workers = Annotated[
    Optional[int],  # noqa: UP045  (typer reads the annotation at run time)
    typer.Option(
        min=1, help="Processes to use; changes no byte of the result.", show_default="cores"
    ),
]
ContinueRun = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(metavar="RUN", help="Go on with this run of .runs/train, begun by other code."),
]
NewRun = Annotated[
    bool, typer.Option("--new-run", help="Begin anew where other code began such a run.")
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


def refuse_unheeded(context: typer.Context) -> None:
    """Raise UserError for options that say nothing about what `evaluate` measures with the rest."""
    given = {}
    for option in context.command.params:
        source = context.get_parameter_source(str(option.name))
        if source is not None and source.name == "COMMANDLINE":
            given[option.name] = option.opts[0]
    if {"generated", "real"} & given.keys():
        what, unheeded = "--generated", given.keys() & {"params", "checkpoint"}
    elif "checkpoint" in given:
        what, unheeded = "--checkpoint", given.keys() - {"checkpoint", "write"}
    else:
        what, unheeded = "the pipeline's bundle", given.keys() - {"params"}
    if unheeded:
        told = ", ".join(spelt for name, spelt in given.items() if name in unheeded)
        raise UserError(
            f"what measures {what} heeds no {told}",
            todo="--params belongs to the bundle, --write to --checkpoint or --generated, all the "
            "others to --generated and --real",
        )
