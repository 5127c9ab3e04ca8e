"""Free TCP ports on loopback."""

import random
import socket

FIRST, LAST = 11000, 32000  # below what the kernel hands to outgoing connections
BLOCK = 100  # ports that are promised at once

_given = set()
_held = {}  # by name: the sockets that keep other processes off
_left = []  # of the blocks that are held, what was not given out yet


def is_free(port):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _hold(name):
    """Promises a name to this process, as long as it lives. A name in the abstract namespace is seen by every user,
    belongs to the same network namespace, and is gone with the process."""
    if name in _held:
        return True
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        s.bind(f"\0ganglion-{name}")
    except OSError:
        s.close()
        return False
    _held[name] = s
    return True


def _name(port):
    """Of the promise that a port belongs to."""
    return f"ports-{port // BLOCK * BLOCK}" if FIRST <= port < LAST else f"port-{port}"


def _give(port):
    if port in _given or not _hold(_name(port)) or not is_free(port):
        return False
    _given.add(port)
    return True


def _another_block():
    while True:
        start = random.randrange(FIRST, LAST, BLOCK)
        if _name(start) not in _held and _hold(_name(start)):
            _left.extend(range(start, start + BLOCK))
            return


def free_port(preferred=None):
    """The preferred port if nobody has it, else another one that nobody was promised yet.

    Between choosing a port and the moment a server binds it seconds can pass (a new cluster is made), and a server that
    a test starts again must find its port as it left it: what was promised to a process is its own to its end, so that
    two runs on one machine never meet. That would cost a socket for each port, hence the blocks. They lie below the
    range that the kernel hands to outgoing connections: no client's connection can take a port meanwhile.
    """
    if preferred and _give(preferred):
        return preferred
    while True:
        if not _left:
            _another_block()
        port = _left.pop()
        if _give(port):
            return port
