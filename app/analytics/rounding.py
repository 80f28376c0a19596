"""How figures of answers are rounded."""

# Digits after the point, as the contract gives them.
ENERGY_DIGITS = 6
# Of the parts that an energy is the sum of: a month of hours adds up to it all the same.
PART_DIGITS = 9
RATIO_DIGITS = 4
TEMPERATURE_DIGITS = 2
VOLTAGE_DIGITS = 2
POWER_DIGITS = 2
MINUTES_DIGITS = 2
# The result of a regression is not known to a millionth.
CAPACITY_DIGITS = 2
HOURS_DIGITS = 2


def rounded(value: float | None, digits: int) -> float | None:
    """A figure to so many digits; None stays None."""
    return None if value is None else round(value, digits)
