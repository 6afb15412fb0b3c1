"""Where the official test data are, if APUS_FIXTURES names them."""

import pathlib
import subprocess

SCRIPT = pathlib.Path(__file__).parents[2] / "scripts" / "unpack-fixtures"


def archive(name):
    """The folder of an archive, which is unpacked below .build if need be; None without data."""
    found = subprocess.run([SCRIPT, name], check=True, stdout=subprocess.PIPE, text=True)
    folder = found.stdout.strip()
    return pathlib.Path(folder) / name if folder else None
