"""The way of a reading: decoded, packed as a row, written with others, stored."""
