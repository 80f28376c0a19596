"""Benchmarks: seeded readings, one file a question, each figure beside the limit that it is measured against."""
