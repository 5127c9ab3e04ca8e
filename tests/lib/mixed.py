"""A deployment some of whose processes are real Synapse, on the same files, database and Redis."""

import os
import re

from deployment.deployment import Deployment


class Mixed(Deployment):
    """python: names of the processes that Synapse runs ("main" among them); change it between starts."""

    def __init__(self, *args, python=(), **kwargs):
        super().__init__(*args, **kwargs)
        self.python = set(python)

    def command(self, worker=None):
        name = worker.name if worker is not None else "main"
        if name not in self.python:
            return super().command(worker)
        module = "synapse.app.homeserver" if worker is None else "synapse.app.generic_worker"
        command = [os.environ["SYNAPSE_PYTHON"], "-m", module]
        for path in self.config_paths(worker):
            command += ["-c", path]
        return command

    def complaints(self):
        """Lines that a process logged as an error."""
        found = []
        folder = os.path.join(self.folder, "logs")
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as f:
                for line in f:
                    if re.search(r"\b(ERROR|CRITICAL)\b|Traceback|AddressSanitizer|assertion failed", line):
                        found.append(f"{name}: {line.strip()}")
        return found

    def forget_logs(self, *names):
        """Of these processes, or of all; of such that are stopped."""
        folder = os.path.join(self.folder, "logs")
        for name in os.listdir(folder):
            if not names or name.split(".")[0] in names:
                os.unlink(os.path.join(folder, name))
