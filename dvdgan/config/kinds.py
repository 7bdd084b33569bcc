"""What the value of a parameter must be, in words: for docs/params.md and for messages."""

from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

TYPES: dict[Any, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    type(None): "null",
}


def kind_of(field: FieldInfo, item: bool = False) -> str:
    """What a value must be, or with ``item`` one of its list: a whole number, text or null, ..."""
    if get_origin(field.annotation) is list:
        [inner] = get_args(field.annotation)
        return _of(inner) if item else f"list of {_of(inner)}s"
    return _of(field.annotation)


def _of(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        return _of(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return TYPES[type(get_args(annotation)[0])]
    if annotation in TYPES:
        return TYPES[annotation]
    return " or ".join(map(_of, get_args(annotation)))
