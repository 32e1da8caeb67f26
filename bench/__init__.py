"""Benchmarks: how near the gateway comes to what gRPC and the store cost by themselves.

They are measured by hand (`make bench`), never as timed tests. See README.md.
"""
