"""What all sections of params.yaml share: strictness, and the kinds of numbers in them."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, lt=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _expanded(path: str) -> str:
    if path.lower() in ("none", "nil"):
        raise ValueError("which is a name; write null where there is none")
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError as error:
        raise ValueError("but this user has no home folder; write the whole path") from error


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
