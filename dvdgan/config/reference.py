"""Describes every parameter, from the docstrings of the schema.

`python -m dvdgan.config.reference > docs/params.md` writes this page.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic.fields import FieldInfo

from dvdgan.config.schema import Config
from dvdgan.config.section import Section, kind_of, subsection

INTRODUCTION = """# Parameters

All keys of `params.yaml`. Every key is required, and other keys are errors. `dvdgan check` reports
all problems of a file at once. Values from the paper are in parentheses.

This page is generated from `dvdgan/config/schema.py`: `python -m dvdgan.config.reference >
docs/params.md`.
"""

BOUNDS = {Ge: "at least {.ge}", Gt: "above {.gt}", Le: "at most {.le}", Lt: "below {.lt}"}


def params_page() -> str:
    """The page as Markdown, with a table for every section and a row for every key."""
    return INTRODUCTION + "".join(_table(name, section) for name, section in _sections("", Config))


def meanings() -> dict[str, str]:
    """The meaning of every key of params.yaml in one line, by dotted key."""
    return {
        f"{name}.{key}": _one_line(field.description)
        for name, section in _sections("", Config)
        for key, field in section.model_fields.items()
        if subsection(field) is None
    }


def _sections(prefix: str, section: type[Section]) -> Iterator[tuple[str, type[Section]]]:
    for name, field in section.model_fields.items():
        below = subsection(field)
        if below is not None:
            yield f"{prefix}{name}", below
            yield from _sections(f"{prefix}{name}.", below)


def _table(name: str, section: type[Section]) -> str:
    rows = [
        f"| `{key}` | {kind_of(field)} | {_allowed(field)} | {_one_line(field.description)} |\n"
        for key, field in section.model_fields.items()
        if subsection(field) is None
    ]
    head = f"\n## {name}\n{_one_line(section.__doc__)}\n\n| key | type | allowed | meaning |\n"
    return head + "|---|---|---|---|\n" + "".join(rows)


def _allowed(field: FieldInfo) -> str:
    limits = [*field.metadata]
    annotation: Any = field.annotation
    if get_origin(annotation) is list:
        [annotation] = get_args(annotation)
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        limits += [limit for each in more for limit in getattr(each, "metadata", [each])]
    if get_origin(annotation) is Literal:
        return ", ".join(map(str, get_args(annotation)))
    return ", ".join(filter(None, map(_bound, limits)))


def _bound(limit: Any) -> str:
    if isinstance(limit, MinLen):
        return "not empty"
    bound = BOUNDS.get(type(limit))
    return bound.format(limit) if bound else ""


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


if __name__ == "__main__":
    print(params_page(), end="")
