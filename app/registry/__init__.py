"""Devices, which meter fed which vehicle, and the newest reading of each device."""
