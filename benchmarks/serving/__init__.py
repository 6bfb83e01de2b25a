"""Throughput, latency under load, overhead and endurance of the service, beside the plain loop and LitServe.

python -m benchmarks.serving --help
"""
