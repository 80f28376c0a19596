"""How doctor writes sizes and findings, for a person."""

import pytest

from app.tools import doctor


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (8192, "8.2 kB"),
        (123_456_789, "123 MB"),
        (1_234_000_000, "1.2 GB"),
        (5e15, "5,000 TB"),
    ],
)
def test_a_size_is_written_with_a_unit(size_bytes: float, text: str) -> None:
    assert doctor.size(size_bytes) == text


def test_findings_of_one_sort_are_shown_together_and_many_are_counted() -> None:
    findings = [
        ("critical", "upkeep", "it never ran", "Is the service running?"),
        *(("warning", f"r{i}_hourly", f"its refresh is {i} hours behind", "See api.job_health.") for i in range(7)),
        ("note", "meter_hourly", "2 hours late", "CALL api.refresh_rollups('2026-01-01', '2026-01-02');"),
        ("note", "vehicle_hourly", "2 hours late", "CALL api.refresh_rollups('2026-01-01', '2026-01-03');"),
    ]
    section = doctor.Section("findings", ("severity", "subject", "message", "action"), findings)
    assert doctor._report([section], has_chunks=True).splitlines() == [
        "FINDINGS",
        "  CRITICAL  upkeep: it never ran",
        "            -> Is the service running?",
        "  WARNING   r0_hourly: its refresh is 0 hours behind",
        *(f"            r{i}_hourly: its refresh is {i} hours behind" for i in range(1, 5)),
        "            ... and 2 more",
        "            -> See api.job_health.",
        "  NOTE      meter_hourly, vehicle_hourly: 2 hours late",
        "            -> CALL api.refresh_rollups('2026-01-01', '2026-01-02');",
        "            -> CALL api.refresh_rollups('2026-01-01', '2026-01-03');",
    ]
