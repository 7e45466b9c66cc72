"""Addresses of this service's own pages: PURE."""

from urllib.parse import quote


def incident_url(public_url: str, incident_id: str) -> str:
    """The page of an incident."""
    return f"{public_url}/incidents/{quote(incident_id)}"


def section_url(public_url: str, path: str, anchor: str) -> str:
    """The page of a runbook, at a section."""
    return f"{public_url}/runbooks/{quote(path)}" + (f"#{quote(anchor)}" if anchor else "")
