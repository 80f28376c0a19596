"""A vehicle's performance: exact windows, through assignments."""

from datetime import timedelta

from tests.readings import meter_reading, minutes_ago, vehicle_reading
from tests.service import Client


def test_the_two_readings_of_the_mission_give_its_figures(client: Client) -> None:
    at = minutes_ago(5)
    assigned = client.post(
        "/v1/assignments", {"meterId": "M-101", "vehicleId": "V-202", "from": at - timedelta(hours=1)}
    )
    assert assigned.status == 201
    readings = (
        meter_reading("M-101", at, kwhConsumedAc=12.4, voltage=231.5),
        vehicle_reading("V-202", at, soc=82.5, kwhDeliveredDc=10.8, batteryTemp=34.2),
    )
    assert client.ingest(*readings) == {"accepted": 2, "duplicates": 0, "conflicts": 0, "rejected": 0, "errors": []}

    first = client.get("/v1/analytics/performance/V-202")
    assert first.status == 200
    figures = first.json
    window = figures.pop("window")
    assert set(window) == {"from", "to"}
    assert figures == {
        "vehicleId": "V-202",
        "totalEnergy": {"acConsumedKwh": 12.4, "dcDeliveredKwh": 10.8},
        "efficiencyRatio": 0.871,
        "avgBatteryTemp": 34.2,
        "meters": ["M-101"],
        "readings": {"meter": 1, "vehicle": 1},
    }

    again = client.ingest(*readings)
    assert (again["accepted"], again["duplicates"], again["conflicts"]) == (0, 2, 0)
    assert client.get("/v1/analytics/performance/V-202", from_=window["from"], to=window["to"]).json == first.json
