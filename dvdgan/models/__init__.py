"""The networks of the paper: torch only, one file per concept."""
