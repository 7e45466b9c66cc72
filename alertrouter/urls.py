"""Addresses of this service's own pages: PURE."""

from urllib.parse import quote, unquote


def incident_url(public_url: str, incident_id: str) -> str:
    """The page of an incident."""
    return f"{public_url}/incidents/{quote(incident_id)}"


def page_url(public_url: str, key: str) -> str:
    """The page of the incident that a PagerDuty key belongs to, each key with an address of its own: `key_of` reads it back."""
    incident_id, _, rest = key.partition("/")
    return incident_url(public_url, incident_id) + (f"#{quote(rest)}" if rest else "")


def key_of(url: str, public_url: str) -> str:
    """The PagerDuty key that an address from `page_url` was made for; empty for any other address."""
    path, _, rest = url.partition("#")
    start = f"{public_url}/incidents/"
    incident_id = path.removeprefix(start)
    if path == incident_id or not (incident_id.isascii() and incident_id.isalnum()):
        return ""
    return f"{incident_id}/{unquote(rest)}" if rest else incident_id


def section_url(public_url: str, path: str, anchor: str) -> str:
    """The page of a runbook, at a section."""
    return f"{public_url}/runbooks/{quote(path)}" + (f"#{quote(anchor)}" if anchor else "")
