"""A simulated fleet that posts over HTTP to a served API, as devices would, and prints what the API answers.

A client of the HTTP contract and of nothing else: it never looks at the database. A second run on the same data goes
on where the first one stopped.
"""

import math
import threading
import time
from datetime import timedelta
from typing import Final

from app.errors import ConfigurationError, OperatorError
from app.local.demo.client import Client
from app.local.demo.introducing import announce_exchange, introduce
from app.local.demo.posting import Demo, Load
from app.local.demo.report import ask_performances, pick_featured, posted_line, show_performance, show_table
from app.local.demo.resuming import other_device, resume
from app.local.simulator import MINUTE

VEHICLES: Final = 40
SEED: Final = 7
DAYS: Final = 30
LEAST_DAYS: Final = 1
MOST_DAYS: Final = 366


def run(
    base_url: str,
    *,
    stop: threading.Event,
    seconds: float | None,
    vehicles: int,
    seed: int,
    days: int,
    load: Load,
    alone: bool,
) -> None:
    """Post the past of a simulated fleet to the API at `base_url`, print what it answers, then post live.

    Runs until `stop` is set, which takes effect within a second between answered requests, or until `seconds` have
    passed since the call; the past is posted whole even then, and the last performance is printed at the end.
    `vehicles` is 3 or more; there are 0.6 chargers to each. The past covers `days`; data older than 24 hours goes
    through `load`, which takes a file of readings and returns how many were stored. Writes to standard output, and a
    progress bar to standard error where that is a terminal.

    Data of an earlier run is continued: vehicles keep their state of charge, those that were charging go on, readings
    follow the newest one, at most `days` back, and assignments left open are closed there.

    Raises OperatorError where the service does not answer as expected, and with `alone` where it knows a device that is
    none of a simulated fleet. Nothing is raised once `stop` is set: the service may be going away too.
    """
    if vehicles < 3:
        raise ConfigurationError(f"{vehicles} vehicles: a simulated fleet has at least 3, such as --vehicles 12")
    if not LEAST_DAYS <= days <= MOST_DAYS:
        raise ConfigurationError(
            f"{days} days: the past of a simulated fleet has {LEAST_DAYS} to {MOST_DAYS}, such as --days 30"
        )
    ends_at_s = math.inf if seconds is None else time.monotonic() + seconds
    client = Client(base_url, stop)
    try:
        if alone and (other := other_device(client)) is not None:
            raise OperatorError(
                f"the database holds {other}, which is no device of the demo's, and its simulated fleet would be "
                "counted with yours: unset DATABASE_URL, or name a database of the demo's own"
            )
        fleet, resumed = resume(client, seed, vehicles, timedelta(days=days))
        demo = Demo(client, fleet, stop, ends_at_s)
        demo.write(f"Served at {base_url}: open it in a browser; its description is at {base_url}/docs")
        demo.write(resumed)
        introduce(client, fleet)
        _run(demo, seconds, load)
    except OperatorError:
        if not stop.is_set():
            raise


def _run(demo: Demo, seconds: float | None, load: Load) -> None:
    began_at_s = time.monotonic()
    began_at = demo.fleet.now
    demo.load_past(load)
    demo.post_past()
    if not demo.stop.is_set():
        announce_exchange(demo.client, demo.fleet)
    elapsed_s = time.monotonic() - began_at_s
    demo.write(posted_line(demo, (demo.fleet.now - began_at) // MINUTE, elapsed_s))
    if demo.stop.is_set():
        return
    performances = ask_performances(demo)
    featured = pick_featured(performances)
    if featured is not None:
        show_performance(demo, featured)
    show_table(demo, performances)
    if demo.stop.is_set():
        return
    until = "Ctrl-C stops." if seconds is None else f"until {seconds:g} s have passed."
    demo.write(f"\nServed at {demo.client.base_url}")
    demo.write(f"The simulated devices now send a reading each minute; {until}")
    demo.live()
    if not demo.stop.is_set():
        featured = featured or pick_featured(ask_performances(demo))
        if featured is not None:
            show_performance(demo, featured)
    demo.write(f"\nStopped; {demo.accepted:,} readings accepted.")
