"""`python -m dvdgan.provenance`: write dvdgan/numerics.json after an edit of the code."""

from dvdgan.provenance.lock import LOCK, write_lock


def main() -> None:
    """Write the file and name the stages that become stale."""
    changed = write_lock()
    print(f"{LOCK}: {'stale now: ' + ', '.join(changed) if changed else 'nothing changed'}")


if __name__ == "__main__":
    main()
