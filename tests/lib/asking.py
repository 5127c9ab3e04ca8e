"""One psql that stays: a question to the database costs no process."""

import subprocess
import threading


class Asking:
    def __init__(self, postgres, database):
        self._lock = threading.Lock()
        self._psql = subprocess.Popen([postgres.bin("psql"), "-X", "-A", "-t", "-q", postgres.url(database)], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)

    def number(self, statement):
        """What a statement says that gives one row with one integer."""
        with self._lock:
            self._psql.stdin.write(statement + ";\n")
            self._psql.stdin.flush()
            return int(self._psql.stdout.readline())

    def close(self):
        self._psql.stdin.close()
        self._psql.wait(10)
        self._psql.stdout.close()
