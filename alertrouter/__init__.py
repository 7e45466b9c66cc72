"""alertrouter stands between Prometheus Alertmanager and PagerDuty."""
