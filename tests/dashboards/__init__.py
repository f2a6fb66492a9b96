"""The Grafana dashboards of the chart: read, their queries run, and drawn from their own JSON."""
