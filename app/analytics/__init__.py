"""Answers that are made of figures: parameters in, structs out."""
