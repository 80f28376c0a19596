"""Takes every figure on every profile there is a server for, and prints them: python -m bench."""

import platform
import sys

import psycopg

from app import migrate
from app.embedded import EmbeddedServer, packaged_bindir
from app.migrate import Profile
from bench import batches, look_ups
from tests.servers import PROFILES, local_timescale, offered, open_directory
from tests.service import running_service

VEHICLES = 50


def main() -> None:
    """Print one line a figure."""
    _say(f"{platform.machine()}, Python {platform.python_version()}; medians; ratios are of one run")
    for profile in PROFILES:
        _say(f"\n{profile} profile: {offered(profile)}")
        bindir = packaged_bindir() if profile == "postgres" else local_timescale()
        if bindir is not None:
            with open_directory() as directory, EmbeddedServer(directory / "data", bindir) as server:
                _measure(profile, server.url)


def _measure(profile: Profile, url: str) -> None:
    migrate.migrate(url, profile)
    with running_service(DATABASE_URL=url) as client:
        for size in (100, 1000, 10_000):
            posted, copied = batches.measure(client.address, url, size)
            ratio = posted / copied
            _say(f"  batches of {size:6}: POST {posted:9,.0f} readings/s, COPY {copied:9,.0f}, ratio {ratio:.2f}")
        with psycopg.connect(url, autocommit=True) as connection:
            look_ups.prepare(connection, VEHICLES)
        over_http, bare = look_ups.measure(client.address, url, VEHICLES)
        for percent in (50, 99):
            ours, theirs = look_ups.percentile(over_http, percent), look_ups.percentile(bare, percent)
            _say(f"  look-up p{percent}: HTTP {ours:.2f} ms, bare SQL {theirs:.2f} ms, ratio {ours / theirs:.2f}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
