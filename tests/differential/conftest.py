"""The tool under test, one process for the whole run."""

import base64
import os
import subprocess

import pytest


class Tool:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, op, *words):
        """(True, text) or (False, errcode). bytes are sent in base64."""
        line = " ".join([op] + [w if isinstance(w, str) else base64.b64encode(w).decode() for w in words])
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer.endswith(b"\n"), "the tool has died"
        return answer.startswith(b"ok "), answer[3:-1]


@pytest.fixture(scope="session")
def tool(build):
    tool = Tool(os.path.join(build, "bin", "mx_tool"))
    yield tool
    tool.process.stdin.close()
    assert tool.process.wait(10) == 0
