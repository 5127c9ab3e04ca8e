"""./check: builds, suites and their results."""
