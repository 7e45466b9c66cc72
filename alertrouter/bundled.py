"""What travels with the package: migrations and the sample runbooks."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def bundled(name: str) -> Path:
    """The folder `alembic` or `runbooks`: inside an installed package, or beside it in a checkout."""
    installed = _PACKAGE / "bundled_data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
