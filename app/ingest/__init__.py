"""The way of a reading: decoded, made a row, written with others, stored."""
