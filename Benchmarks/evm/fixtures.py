"""Where the official test data are: unpacked in APUS_FIXTURES, or packed there."""

import os
import pathlib
import subprocess


def archive(name):
    """The folder of an archive, which is unpacked below .build if need be; None without data."""
    root = os.environ.get("APUS_FIXTURES")
    if not root:
        return None
    folder = pathlib.Path(root) / name
    packed = pathlib.Path(root) / f"{name}.tar.zst"
    if folder.is_dir() or not packed.exists():
        return folder
    target = pathlib.Path(".build/fixtures")
    if not (target / name).is_dir():
        target.mkdir(parents=True, exist_ok=True)
        with packed.open("rb") as file:
            unpack = subprocess.Popen(
                ["zstd", "-dc", "--long=27"], stdin=file, stdout=subprocess.PIPE)
            subprocess.run(["tar", "-x", "-C", target], stdin=unpack.stdout, check=True)
            if unpack.wait() != 0:
                raise SystemExit(f"{packed} cannot be unpacked")
    return target / name
