"""Answers with figures: parameters in, structs out."""
