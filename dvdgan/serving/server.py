"""`dvdgan serve`: the application on a port of this machine."""

import errno
import socket
from pathlib import Path

import uvicorn

from dvdgan.errors import InterruptedRunError, UserError
from dvdgan.export.sampler import Sampler
from dvdgan.serving.application import application

# Other machines have no way in.
HOST = "127.0.0.1"
# Each may hold an upload in memory.
MOST_CONNECTIONS = 64


def serve(bundle: Path, port: int, device: str) -> None:
    """Serve a bundle's page on 127.0.0.1 until a signal. Port 0: any that is free.

    Raises UserError for a folder that is not a bundle and a port that is taken or not allowed.
    """
    sampler = Sampler.load(bundle, device)
    with listening_socket(port) as listening:
        address = f"http://{HOST}:{listening.getsockname()[1]}"
        print(f"serve: {bundle} on {address} (Ctrl-C stops it)", flush=True)
        config = uvicorn.Config(
            application(sampler, str(bundle)),
            log_level="warning",
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=5,
        )
        try:
            uvicorn.Server(config).run(sockets=[listening])
        except InterruptedRunError:
            print("serve: stopped")  # the usual end


def listening_socket(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen()
    except OSError as error:
        listening.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise UserError(
            f"port {port} of {HOST} cannot be used: {error.strerror}",
            todo="choose another, such as --port 8020, or --port 0 for any that is free",
        ) from error
    return listening
