"""Keeps many streams open on a real `octet serve` for a while: none is lost, and the server's memory stays as it is.

    python3 tools/check/soak.py MODEL [OCTET] [--streams 1000] [--seconds 60]      `make soak`

Each stream asks for a whole answer and, once it has ended, for the next; a few leave in its midst. Python's own library is enough. The memory
is looked at once all streams have had a turn, and at the end. Exits with 1 where it has grown by more than 2 %, where a request had no answer or
an unexpected one, or where the server doesn't end with 0.
"""
import asyncio
import json
import os
import resource
import sys
import time

from served import OCTET, Served

MOST_GROWTH = 0.02
LEAVING = 20  # one of so many streams closes in the midst of its answer


def option(name, otherwise):
    return type(otherwise)(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else otherwise


def resident(server):
    with open(f"/proc/{server.pid}/statm", encoding="ascii") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def raise_file_limit(wanted):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        sys.exit(f"soak: {wanted} files must be open at once, this machine allows {hard}; raise `ulimit -Hn` or give fewer --streams")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


class Counts:
    def __init__(self):
        self.whole = self.left = self.refused = 0
        self.lost = []


async def ask(port, number, leaves, counts):
    body = json.dumps({"prompt": [number % 250 + 1, 2, 3], "max_tokens": 24, "ignore_eos": True, "stream": True}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
                     b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        if leaves:
            await asyncio.wait_for(reader.readuntil(b"data: "), 120)
            counts.left += 1
            return
        reply = await asyncio.wait_for(reader.read(-1), 120)
        if reply.startswith(b"HTTP/1.1 200 ") and b"data: [DONE]\n\n" in reply:
            counts.whole += 1
        elif reply.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: " in reply:
            counts.refused += 1
            await asyncio.sleep(0.5)
        else:
            counts.lost.append(reply[:120])
    finally:
        writer.close()


async def keep_asking(port, number, until, counts):
    turn = 0
    while time.monotonic() < until:
        try:
            await ask(port, number * 1000 + turn, (number + turn) % LEAVING == LEAVING - 1, counts)
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
            counts.lost.append(repr(error))
        turn += 1


async def soak(server, port, streams, seconds, counts):
    until = time.monotonic() + seconds
    tasks = [asyncio.create_task(keep_asking(port, number, until, counts)) for number in range(streams)]
    # All have been answered by then, so that every buffer has been needed once.
    while counts.whole < 2 * streams and time.monotonic() < until - seconds / 2:
        await asyncio.sleep(0.2)
    begin = resident(server)
    print(f"after {counts.whole} answers: {begin / 1e6:.1f} MB resident", flush=True)
    await asyncio.gather(*tasks)
    return begin


def main():
    streams, seconds = option("--streams", 1000), option("--seconds", 60.0)
    words = [word for word in sys.argv[1:] if not word.startswith("--") and not word.replace(".", "").isdigit()]
    raise_file_limit(streams + 100)
    counts = Counts()
    with Served(words[1] if len(words) > 1 else OCTET, words[0], "--users", "16", "--max-waiting", str(2 * streams),
                "--max-running", "64") as server:
        begin = asyncio.run(soak(server, server.port, streams, seconds, counts))
        end = resident(server)
    code = server.exit_code
    growth = end / begin - 1
    print(f"{streams} streams, {seconds:.0f} s: {counts.whole} whole answers, {counts.left} left by their client, {counts.refused} told to "
          f"come again, {len(counts.lost)} lost; {end / 1e6:.1f} MB resident, {growth:+.1%}; exit {code}")
    for reason in counts.lost[:5]:
        print("lost:", reason)
    if counts.whole < streams or counts.lost or growth > MOST_GROWTH or code != 0:
        sys.exit("soak: failed")


main()
