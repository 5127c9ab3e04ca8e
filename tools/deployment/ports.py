"""Free TCP ports on loopback."""

import random
import socket

_given = set()


def is_free(port):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(preferred=None):
    """The preferred port if nobody has it, else another one that this process has not given out yet.

    Others are drawn below the range that the kernel hands to outgoing connections, so that a client's
    connection cannot take a port between the moment it is chosen and the moment a server binds it.
    """
    if preferred and preferred not in _given and is_free(preferred):
        _given.add(preferred)
        return preferred
    while True:
        port = random.randrange(11000, 32000)
        if port not in _given and is_free(port):
            _given.add(port)
            return port
