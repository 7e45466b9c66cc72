"""PagerDuty: the events that go out."""
