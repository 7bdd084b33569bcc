"""The interface of a layout of raw data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dvdgan.data.listing import Listing
from dvdgan.data.raw_root import RawRoot
from dvdgan.data.table import Table

if TYPE_CHECKING:
    from dvdgan.config.schema import Index


@dataclass(frozen=True)
class RawSource:
    """A layout, by its name in index.source."""

    name: str
    layout: str
    """A short description of the files below index.root, for messages."""
    recognises: Callable[[Listing], bool]
    """Whether a listing looks like this layout, by its names alone."""
    read: Callable[[Listing, RawRoot, "Index"], Table]
    """The table of the data set; opens small tables only. Raises UserError if the layout is
    another."""
