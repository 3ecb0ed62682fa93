"""Entry point of `tilemodel`: parse, run, and turn any `TileModelError` into one message and exit status 2."""

import sys
from collections.abc import Sequence

from tilemodel.config.errors import TileModelError
from tilemodel_cli.arguments import build_parser

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status: 0 done, 1 a spec was missed, 2 an error, 130 interrupted."""
    options = build_parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        return status
    except TileModelError as error:
        sys.stderr.write(f"tilemodel {options.command}: {error}\n")
        return 2
    except MemoryError:
        sys.stderr.write(f"tilemodel {options.command}: out of memory; use fewer vectors or a smaller tile\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(f"tilemodel {options.command}: interrupted; nothing was written\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
