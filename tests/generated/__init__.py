"""Generates models, edits and files, and knows for every variable where its value must come from."""
