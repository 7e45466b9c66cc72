"""A strict PagerDuty to run against: for the demo, the tests and fire drills."""

from alertrouter.sandbox.app import create_sandbox
from alertrouter.sandbox.state import Received

__all__ = ["Received", "create_sandbox"]
