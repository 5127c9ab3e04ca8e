"""Free TCP ports on loopback."""

import random
import socket

_given = set()
_held = []  # the names that keep other processes off the ports given out last
HELD_AT_MOST = 200  # whoever was given a port before those has bound it by now


def is_free(port):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _hold(port):
    """Promises a port to this process. Between choosing a port and the moment a server binds it
    seconds can pass (a new cluster is made), so a second ./run on the machine has to see the promise; a name in the
    abstract namespace is seen by every user, belongs to the same network namespace, and is gone with the process."""
    if port in _given or not is_free(port):
        return False
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        s.bind(f"\0ganglion-port-{port}")
    except OSError:
        s.close()
        return False
    _given.add(port)
    _held.append(s)
    if len(_held) > HELD_AT_MOST:
        _held.pop(0).close()
    return True


def free_port(preferred=None):
    """The preferred port if nobody has it, else another one that nobody was promised yet.

    Others are drawn below the range that the kernel hands to outgoing connections, so that a client's
    connection cannot take a port between the moment it is chosen and the moment a server binds it.
    """
    if preferred and _hold(preferred):
        return preferred
    while True:
        port = random.randrange(11000, 32000)
        if _hold(port):
            return port
