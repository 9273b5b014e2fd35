"""Measures the sandbox itself: is it fast enough to stand under a benchmark, quick to start, and small?

It prints ratios of two things measured in one run, and the figures they come from. The server has one core, the load
the other. `make bench` builds the release wheel and runs this.
"""

from __future__ import annotations

import os
import re
import socket
import statistics
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

ROUNDS = 9
PAGES = 400
# How often the pages are read in a round: each time by another search, or by the same.
REPEATED = 5
PER_PAGE = 50
MILLION = 1_000_000
CONNECTIONS = 8

SERVE = """
import os, sys, time
os.sched_setaffinity(0, {0})
from canvas_studio.sandbox import Sandbox
began = time.perf_counter()
with Sandbox(media=int(sys.argv[1])) as box:
    started = time.perf_counter() - began
    memory = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(box.url, box.token, started, memory, flush=True)
    sys.stdin.read()
"""

# The floor: a server that knows one answer, and writes it for whatever it reads.
ECHO = """
import os, socket, sys, threading
os.sched_setaffinity(0, {0})
body = b"x" * int(sys.argv[1])
answer = b"HTTP/1.1 200 OK\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(body) + body
listener = socket.create_server(("127.0.0.1", 0), backlog=64)
print("http://127.0.0.1:%d" % listener.getsockname()[1], "none", 0, 0, flush=True)
def serve(connection):
    while connection.recv(65536):
        connection.sendall(answer)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


class Server:
    """A program in a process of its own that prints a URL, a token, seconds and kilobytes, and then serves."""

    def __init__(self, program: str, argument: int) -> None:
        command = [sys.executable, "-c", program, str(argument)]
        self.process: subprocess.Popen[str] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        line: str = self.process.stdout.readline()
        url, self.token, started, memory = line.split()
        parts = urlsplit(url)
        self.address: tuple[str, int] = (parts.hostname or "", parts.port or 0)
        self.started, self.memory = float(started), int(memory) / 1e3

    def cpu(self) -> float:
        """Seconds that it has computed so far: what a rate is measured by that does not depend on the neighbours."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def ask(server: Server, paths: list[str]) -> float:
    """Ask for every path over a few connections at a time, and return the pages per second of the server's CPU."""
    connections = [socket.create_connection(server.address) for _ in range(CONNECTIONS)]
    for connection in connections:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    requests = [
        f"GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {server.token}\r\n\r\n".encode() for path in paths
    ]
    began = server.cpu()
    for first in range(0, len(requests), CONNECTIONS):
        batch = list(zip(connections, requests[first : first + CONNECTIONS], strict=False))
        for connection, request in batch:
            connection.sendall(request)
        for connection, _ in batch:
            _read(connection)
    seconds = server.cpu() - began
    for connection in connections:
        connection.close()
    # The clock of the CPU ticks a hundred times a second: one page by itself may take no tick at all.
    return len(requests) / seconds if seconds else 0.0


def _read(connection: socket.socket) -> int:
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(65536)
    head, _, body = head.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode(errors="replace"))
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    assert length is not None
    missing = int(length[1]) - len(body)
    while missing > 0:
        missing -= len(connection.recv(min(missing, 1 << 20)))
    return int(length[1])


def listed(pages: int, per_page: int, version: int) -> list[str]:
    """Paths of a listing; each version is a search of its own, so that nothing of it is remembered."""
    query = f"min_size={version}&per_page={per_page}" if version else f"per_page={per_page}"
    return [f"/api/public/v1/media/search?{query}&page={page}" for page in range(1, pages + 1)]


def spread(values: list[float]) -> str:
    """Median, and from the smallest to the largest."""
    return f"{statistics.median(values):,.2f} ({min(values):,.2f} to {max(values):,.2f})"


def main() -> None:
    """Measure and print."""
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("two cores are needed")
    os.sched_setaffinity(0, {1})
    sandbox = Server(SERVE, PAGES * PER_PAGE)
    connection = socket.create_connection(sandbox.address)
    connection.sendall(
        f"GET {listed(1, PER_PAGE, 0)[0]} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {sandbox.token}\r\n\r\n".encode()
    )
    size = _read(connection)
    connection.close()
    floor = Server(ECHO, size)
    rates: dict[str, list[float]] = {"floor": [], "first time": [], "again": []}
    try:
        for number in range(1, ROUNDS + 1):
            rates["floor"].append(ask(floor, listed(PAGES, PER_PAGE, 0) * REPEATED))
            searches = [number * REPEATED + search for search in range(REPEATED)]
            rates["first time"].append(
                ask(sandbox, [path for each in searches for path in listed(PAGES, PER_PAGE, each)])
            )
            rates["again"].append(ask(sandbox, listed(PAGES, PER_PAGE, searches[-1]) * REPEATED))
    finally:
        sandbox.stop()
        floor.stop()
    print(f"{PAGES} pages of {PER_PAGE} media, {size:,} bytes each, {CONNECTIONS} connections, {ROUNDS} rounds")
    for name, values in rates.items():
        shares = [value / most for value, most in zip(values, rates["floor"], strict=True)]
        print(f"  {name:<12} pages a CPU second: {spread(values):<38} of the floor: {spread(shares)}")
    small, large = Server(SERVE, 500), Server(SERVE, MILLION)
    small.stop()
    large.stop()
    print(f"  500 media start in {small.started * 1e3:.0f} ms with {small.memory:.0f} MB at most")
    print(f"  1,000,000 media start in {large.started:.1f} s with {large.memory:.0f} MB at most")


if __name__ == "__main__":
    main()
