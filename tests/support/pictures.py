"""Pictures of the pages, as README and docs show them: `make demo`, then python -m tests.support.pictures.

The argument is the address of the demo, by default http://127.0.0.1:8000. Its fleet is the same each time; the days are
those before today.
"""

import sys

from tests.support.browser import Visit, browser
from tests.support.service import ROOT

PICTURES = ROOT / "docs" / "pictures"
_MONTH = "from=now-30d&to=now"
# By file: path, width and height in pixels, and the colours that the reader prefers.
PAGES = {
    "overview": (f"/?{_MONTH}", (1280, 1150), "light"),
    "overview-dark": (f"/?{_MONTH}", (1280, 1150), "dark"),
    "charger": (f"/meters/demo-M-120?{_MONTH}", (1280, 760), "light"),
    "vehicle": (f"/vehicles/demo-V-205?{_MONTH}", (1280, 760), "light"),
    "phone": (f"/?{_MONTH}", (390, 844), "light"),
}


def main(address: str) -> None:
    """Draw all of them."""
    PICTURES.mkdir(exist_ok=True)
    with browser() as started:
        for name, (path, (width, height), colours) in PAGES.items():
            with Visit(started, address) as visit:
                visit.page.set_viewport_size({"width": width, "height": height})
                visit.page.emulate_media(color_scheme="dark" if colours == "dark" else "light")
                visit.open(path).screenshot(path=PICTURES / f"{name}.png")
    sys.stdout.write(f"{len(PAGES)} pictures drawn\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000")
