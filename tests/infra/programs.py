"""The subcommands and options of programs, asked of the programs themselves."""

import argparse
import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import typer

from dvdgan.cli import app


@dataclass(frozen=True)
class Words:
    """What may stand behind a program or one of its subcommands."""

    options: frozenset[str]
    commands: Mapping[str, Callable[[], "Words"]] = field(default_factory=dict)
    takes_arguments: bool = True


def of_click(command: Any) -> Words:
    options = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    below = getattr(command, "commands", {})
    commands = {name: partial(of_click, each) for name, each in below.items()}
    return Words(frozenset(options), commands, not commands)


def of_argparse(parser: argparse.ArgumentParser) -> Words:
    groups = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    commands = {
        name: partial(of_argparse, below) for each in groups for name, below in each.choices.items()
    }
    return Words(frozenset(parser._option_string_actions), commands, not commands)


def of_cyclopts(application: Any) -> Words:
    """Prefect imports a subcommand when it is looked up."""
    found = {
        name: partial(lambda each: of_cyclopts(application[each]), name)
        for name in application
        if not name.startswith("-")
    }
    if application.default_command is None:
        return Words(frozenset(), found, False)
    arguments = application.assemble_argument_collection()
    return Words(frozenset(name for each in arguments for name in each.names), found)


def dvdgan() -> Words:
    return of_click(typer.main.get_command(app))


def dvc() -> Words:
    return of_argparse(importlib.import_module("dvc.cli.parser").get_main_parser())


def prefect() -> Words:
    return of_cyclopts(importlib.import_module("prefect.cli._app")._app)


def torchrun() -> Words:
    return of_argparse(importlib.import_module("torch.distributed.run").get_args_parser())


def accelerate() -> Words:
    launch = importlib.import_module("accelerate.commands.launch").launch_command_parser()
    commands = {"launch": partial(of_argparse, launch), "config": partial(Words, frozenset())}
    return Words(frozenset(), commands, False)


PROGRAMS: dict[str, Callable[[], Words]] = {
    each.__name__: cache(each) for each in (dvdgan, dvc, prefect, torchrun, accelerate)
}
OF_EVERY_PROGRAM = {"--help", "-h", "--version", "--no-prompt", "-m"}


def wrong_words(program: str, given: list[str]) -> Iterator[str]:
    """Subcommands and options of ``given`` that ``program`` does not have.

    Words in capitals stand for others; what follows `-m` belongs to another program.
    """
    level = PROGRAMS[program]()
    options = level.options | OF_EVERY_PROGRAM
    for word in given:
        if word == "-m" and program in ("torchrun", "accelerate"):
            return
        if word.startswith("-"):
            if word.partition("=")[0] not in options:
                yield f"{program} has no option {word.partition('=')[0]} here"
        elif word in level.commands:
            level = level.commands[word]()
            options = options | level.options
        elif not level.takes_arguments and not word.isupper() and word != "...":
            yield f"{program} has no command {word} here"
            return


def options_of(program: str) -> frozenset[str]:
    """Those of the program and of all its subcommands."""

    def below(level: Words) -> frozenset[str]:
        return level.options.union(*(below(each()) for each in level.commands.values()))

    return below(PROGRAMS[program]())
