"""A whole deployment on one machine: private PostgreSQL, Redis and nginx, and Ganglion's processes.

`./run` is its command line; the tests use the same classes, so what they test is what a user starts.
"""
