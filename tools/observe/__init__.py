"""What whoever is on call reads: Prometheus rules and a Grafana dashboard, written by program so that names stand once."""
