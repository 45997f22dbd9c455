"""``python -m skglitch`` is the ``skglitch`` command."""

from .cli import main

if __name__ == "__main__":
    main(prog_name="skglitch")
