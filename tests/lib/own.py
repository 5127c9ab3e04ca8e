"""Deployments of a test's own, with settings of their own: named as no other of the run, stopped at the end, and asked then
how they ended."""

import contextlib
import itertools
import os

from deployment.deployment import Deployment, Federation
from lib.findings import findings
from lib.server import Server


_number = itertools.count(1)


def unique(name):
    """For a folder or a database."""
    return f"{name}_{next(_number)}"


class Own:
    def __init__(self, build, folder, postgres):
        self.build, self.folder, self.postgres = build, folder, postgres

    def make(self, name, kind=Deployment, authority=None, **options):
        """Not started yet. kind: a class of deployments; authority: whose certificate it has, when other servers on this
        machine are to reach it as localhost:PORT; options: what a deployment takes beside its place."""
        name = unique(name)
        if authority is not None:
            federation = Federation(*authority.certificate(), authority.ca)
            options.update(federation=federation, server_name=federation.server_name)
        return kind(os.path.join(self.folder, name), self.build, self.postgres, database=name, **{"bcrypt_rounds": 4, **options})

    @contextlib.contextmanager
    def run(self, deployment):
        """A Server of one that was made."""
        server = None
        try:
            server = Server(deployment.start())
            yield server
        finally:
            if server is not None:
                server.close()
            clean = deployment.stop()
        assert clean, "a process had to be killed at the end"
        found = findings(os.path.join(deployment.folder, "logs"))
        assert not found, found

    def running(self, name, **options):
        """Made and started: `with own.running("tea", extra_config={...}) as server`."""
        return self.run(self.make(name, **options))
