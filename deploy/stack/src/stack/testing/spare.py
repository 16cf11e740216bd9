"""The first fork server of a test's stack: a fork of the process that becomes the stack.

That one is a fork itself and has the libraries already, so that this one need not import them again. It is
made before there are threads and before coverage is measured. This runs as a file, because nothing else of
the package may be imported before that.
"""

import json
import os
import socket
import sys

from setproctitle import setproctitle

from shared.embedded import fork_server, forking
from shared.embedded.child import Process


class Spare:
    """A process that waits to be a fork server. It ends when its parent has ended."""

    status = staticmethod(fork_server.status)

    def __init__(self) -> None:
        self._here, there = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self._here.close()
            setproctitle("spare")  # the stack's folder would make it look like a part of the stack
            become(there)
            sys.exit()
        there.close()

    def serve(self, server: forking.ForkServer, connection: socket.socket) -> Process:
        """Does what the command of `server` would do, at this end of its connection."""
        request = json.dumps({"command": server.command, "folder": str(server.identity["cwd"])})
        with server.log.open("ab") as log:
            socket.send_fds(self._here, [request.encode()], [connection.fileno(), log.fileno()])
        self._here.close()
        return forking.ForkedProcess(self, self.pid)  # type: ignore[arg-type]  # it is asked for a status only


def become(there: socket.socket) -> None:
    """Returns when the server has ended, or in its forks when their program has."""
    request, given, *_ = socket.recv_fds(there, 65_536, 2)
    there.close()
    if not request:
        return
    wanted = json.loads(request)
    fork_server.lead_a_group(0)
    os.chdir(wanted["folder"])
    setproctitle(" ".join(wanted["command"]))
    for descriptor, standard in ((given[0], 0), (given[1], 1), (given[1], 2)):
        os.dup2(descriptor, standard)
    for descriptor in given:
        os.close(descriptor)
    sys.argv[:] = wanted["command"][2:]
    fork_server.main()


def use(spare: Spare) -> None:
    """For the first fork server; each that follows is started as ever."""
    execute = forking.ForkServer._execute

    def once(server: forking.ForkServer, stdin: int) -> Process:
        forking.ForkServer._execute = execute  # type: ignore[method-assign]  # as it was
        with socket.socket(fileno=os.dup(stdin)) as connection:
            return spare.serve(server, connection)

    forking.ForkServer._execute = once  # type: ignore[assignment,method-assign]  # this once


if __name__ == "spare" and forking.AVAILABLE:
    use(Spare())
