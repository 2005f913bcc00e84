"""A package index that takes the uploads of one account; its port is printed, its end is that of its input.

python package_index.py DIRECTORY USERNAME PASSWORD
"""

import sys
from pathlib import Path
from threading import Thread
from wsgiref.simple_server import make_server

import pypiserver


def main(directory: str, *account: str) -> None:
    app = pypiserver.app(
        roots=[Path(directory)],
        authenticate=["update"],
        auther=lambda *given: given == account,
        disable_fallback=True,
        backend_arg="simple-dir",
    )
    with make_server("127.0.0.1", 0, app) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
