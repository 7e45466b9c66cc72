"""The Grafana dashboards in deploy/grafana, written by `make reference`: what is on them, and how Grafana wants it."""
