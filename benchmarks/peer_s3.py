"""The peer of long lists: moto's S3 server, with as many objects put straight into its memory."""

from __future__ import annotations

import logging
import sys
import threading

from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from moto.s3.models import s3_backends


def main(bucket: str, folder: str, objects: int, port: int) -> None:
    backend = s3_backends["123456789012"]["aws"]
    backend.create_bucket(bucket, "us-east-1")
    for number in range(1, objects + 1):
        backend.put_object(bucket, f"{folder}/{number:08}", b"")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # no line for each page
    ThreadedMotoServer("127.0.0.1", port, verbose=False).start()
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
