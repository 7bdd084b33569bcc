"""The base of all sections of params.yaml: strict types, ranges of numbers, descriptions."""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, lt=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _expanded(path: str) -> str:
    if path.lower() in ("none", "nil"):
        raise ValueError("which is read as a name; write null for no value")
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError as error:
        raise ValueError("but this user has no home folder; write the full path") from error


PathText = Annotated[str, Field(min_length=1), AfterValidator(_expanded)]
"""A path; ~ is the home folder."""


class Section(BaseModel):
    """A section of params.yaml: no unknown keys, no type coercion, no change after loading."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,  # they become docs/params.md
    )


def subsection(field: FieldInfo) -> type[Section] | None:
    """The section that ``field`` holds; None if it is a parameter."""
    kind: Any = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


TYPES: dict[Any, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    type(None): "null",
}


def kind_of(field: FieldInfo, item: bool = False) -> str:
    """The type of a value in plain English, such as `whole number` or `text or null`.

    ``item``: of one value of its list. For docs/params.md and for messages.
    """
    if get_origin(field.annotation) is list:
        [inner] = get_args(field.annotation)
        return _described_type(inner) if item else f"list of {_described_type(inner)}s"
    return _described_type(field.annotation)


def _described_type(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        return _described_type(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return TYPES[type(get_args(annotation)[0])]
    if annotation in TYPES:
        return TYPES[annotation]
    return " or ".join(map(_described_type, get_args(annotation)))
