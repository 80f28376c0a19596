"""What the demo prints of the answers."""

from collections.abc import Sequence
from itertools import islice
from typing import Final

import msgspec

from app.local.demo.client import Performance
from app.local.demo.posting import Demo

_VEHICLES_ASKED: Final = 60
_VEHICLES_SHOWN: Final = 8
_ABNORMAL_BELOW_RATIO: Final = 0.85


def ask_performances(demo: Demo) -> list[Performance]:
    """Ask for the last 24 hours of the first vehicles."""
    performances: list[Performance] = []
    for vehicle in islice(demo.fleet.vehicles, _VEHICLES_ASKED):
        if demo.stop.is_set():
            break
        performances.append(demo.client.get(_performance_path(vehicle.vehicle_id), Performance))
    return performances


def pick_featured(performances: Sequence[Performance]) -> str | None:
    """The vehicle with the most energy among those with a normal ratio, or None."""
    sound = [one for one in performances if one.efficiency_ratio is not None and not _remark(one)]
    most = max(sound, key=lambda one: one.total_energy.ac_consumed_kwh or 0, default=None)
    return None if most is None else most.vehicle_id


def show_performance(demo: Demo, vehicle_id: str) -> None:
    path = _performance_path(vehicle_id)
    answer = demo.client.call("GET", path)
    demo.write(f"\n$ curl '{demo.client.base_url}{path}'")
    demo.write(msgspec.json.format(answer, indent=2).decode())


def show_table(demo: Demo, performances: Sequence[Performance]) -> None:
    """The worst few and the busiest of the others, in the order of their ids."""
    charged = [one for one in performances if one.efficiency_ratio is not None]
    if not charged:
        demo.write("\nNo vehicle has charged in the last 24 hours.")
        return
    odd = sorted((one for one in charged if _remark(one)), key=lambda one: one.efficiency_ratio or 0)
    shown = odd[: _VEHICLES_SHOWN // 2]
    sound = sorted((one for one in charged if not _remark(one)), key=lambda one: one.total_energy.ac_consumed_kwh or 0)
    shown += sound[::-1][: _VEHICLES_SHOWN - len(shown)]
    demo.write(
        f"\nLast 24 hours, {len(shown)} of {len(charged)} vehicles that charged ({len(odd)} out of the ordinary):"
    )
    demo.write(f"  {'vehicle':<12}{'AC kWh':>10}{'DC kWh':>10}{'ratio':>9}{'battery C':>11}")
    for one in sorted(shown, key=lambda one: one.vehicle_id):
        energy = one.total_energy
        demo.write(
            f"  {one.vehicle_id:<12}{_figure(energy.ac_consumed_kwh, 10, 2)}{_figure(energy.dc_delivered_kwh, 10, 2)}"
            f"{_figure(one.efficiency_ratio, 9, 4)}{_figure(one.avg_battery_temp, 11, 1)}   {_remark(one)}".rstrip()
        )


def _remark(performance: Performance) -> str:
    ratio = performance.efficiency_ratio
    if ratio is None:
        return ""
    return "abnormal loss" if ratio < _ABNORMAL_BELOW_RATIO else "data fault" if ratio > 1 else ""


def _figure(value: float | None, width: int, decimals: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:>{width}.{decimals}f}"


def posted_line(demo: Demo, minutes: int, elapsed_s: float) -> str:
    if not minutes:
        return "No whole minute has passed since then; nothing to post yet."
    rate = demo.accepted / elapsed_s
    line = (
        f"Posted {demo.accepted:,} readings of {minutes:,} minutes and {demo.assignments:,} assignments"
        f" in {elapsed_s:.1f} s: {rate:,.0f} readings/s."
    )
    if demo.duplicates or demo.conflicts:
        line += f" Of others, {demo.duplicates:,} were kept already and {demo.conflicts:,} contradicted kept ones."
    return line


def _performance_path(vehicle_id: str) -> str:
    return f"/v1/analytics/performance/{vehicle_id}"
