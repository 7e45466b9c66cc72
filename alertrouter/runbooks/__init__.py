"""Markdown runbooks: split into sections, matched to alerts, read for their escalation, shown with commands filled in.

Everything here is a function of values except `library`, which reads the folders.
"""
