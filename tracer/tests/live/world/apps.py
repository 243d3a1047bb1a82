"""An app that does what its arguments say, step by step; a `/` stands between two steps.

ask NAME              looks a name up, as every program does; old NAME the way it was done before IPv6
query SERVER NAME KIND  asks a name server itself, over UDP (KIND is the number of a type)
both SERVER NAME      asks for both kinds of addresses over one socket that is not connected, as small C libraries do
slow SERVER NAME      asks over TCP, a byte at a time
group NAME            asks all on the network (multicast DNS)
tcp HOST PORT         connects; udp HOST PORT too, and sendto HOST PORT HOST PORT ... does without
say                   sends a few bytes
hear                  waits for an answer
wait SECONDS
hello NAME [HOW]      sends the first message of TLS; `-` is no name. HOW: ech, bytes, halves, records, half (of which the rest
                      never comes), behind (junk in the same segment)
junk BYTES            sends so many bytes that are no TLS
secure NAME           shakes hands over TLS
get URL               by urllib
together NAME ...     connects to all at the same time, in the manner of asyncio
thread STEP, fork     does one step in another thread, the rest in another process
hold                  says `held` and waits until standard input ends
"""

import asyncio
import os
import random
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.request

TRUSTING = ssl._create_unverified_context()


def extension(kind, content):
    return struct.pack(">HH", kind, len(content)) + content


def hello(name, has_ech=False):
    """A ClientHello, without the header of a record."""
    extensions = extension(43, b"\2\3\4") + extension(10, b"\0\2\0\x1d")
    if name != "-":
        host = b"\0" + struct.pack(">H", len(name)) + name.encode()
        extensions += extension(0, struct.pack(">H", len(host)) + host)
    if has_ech:
        extensions += extension(0xFE0D, b"\0\0\1\0\1\7" + b"\0\x20" + bytes(32) + b"\0\x90" + bytes(144))
    body = b"\3\3" + os.urandom(32) + b"\x20" + os.urandom(32) + b"\0\4\x13\1\x13\2" + b"\1\0"
    body += struct.pack(">H", len(extensions)) + extensions
    return b"\1" + len(body).to_bytes(3, "big") + body


def records(message, each=1 << 14):
    parts = [message[at : at + each] for at in range(0, len(message), each)]
    return b"".join(b"\x16\3\1" + struct.pack(">H", len(part)) + part for part in parts)


def question(name, kind):
    number = random.randrange(1 << 16)
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)


class App:
    def __init__(self):
        self.socket = None

    def steps(self, steps):
        for at, (verb, *arguments) in enumerate(steps):
            if verb == "fork":
                child = os.fork()
                if child == 0:
                    self.steps(steps[at + 1 :])
                    os._exit(0)
                os.waitpid(child, 0)
                return
            getattr(self, verb)(*arguments)

    def ask(self, name):
        socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)

    def old(self, name):
        socket.gethostbyname(name)

    def query(self, server, name, kind):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(2)
            query = question(name, int(kind))
            asking.sendto(query, (server, 53))
            try:
                while True:
                    answer, sender = asking.recvfrom(4096)
                    if sender != (server, 53):
                        continue
                    if answer[:2] == query[:2] and answer[12:].lower().startswith(query[12:].lower()):
                        return
            except TimeoutError:
                pass

    def both(self, server, name):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.bind(("0.0.0.0", 0))
            asking.settimeout(2)
            for kind in (1, 28):
                asking.sendto(question(name, kind), (server, 53))
            for _ in range(2):
                asking.recvfrom(4096)

    def slow(self, server, name):
        with socket.create_connection((server, 53), 5) as asking:
            asking.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            query = question(name, 1)
            for byte in struct.pack(">H", len(query)) + query:
                asking.sendall(bytes([byte]))
            # A server that has no patience left closes the connection, and then there was no lookup.
            (length,) = struct.unpack(">H", asking.recv(2, socket.MSG_WAITALL))
            if len(asking.recv(length, socket.MSG_WAITALL)) < length:
                sys.exit("it was not answered")

    def group(self, name):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(2)
            asking.sendto(question(name, 1), ("224.0.0.251", 5353))
            asking.recv(4096)

    def tcp(self, host, port):
        self.socket = socket.create_connection((host, int(port)), 5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def udp(self, host, port):
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        self.socket = socket.socket(family, kind)
        self.socket.settimeout(5)
        self.socket.connect(address)

    def sendto(self, *remotes):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(5)
        for host, port in zip(remotes[::2], remotes[1::2]):
            self.socket.sendto(b"hello", (host, int(port)))

    def say(self):
        self.socket.sendall(b"hello")

    def hear(self):
        try:
            self.socket.recv(65536)
        except OSError:
            pass

    def wait(self, seconds):
        time.sleep(float(seconds))

    def hello(self, name, how=""):
        message = hello(name, how == "ech")
        whole = records(message, 40 if how == "records" else 1 << 14)
        half = len(whole) // 2
        if how == "bytes":
            for byte in whole:
                self.socket.sendall(bytes([byte]))
        elif how == "halves":
            self.socket.sendall(whole[:half])
            time.sleep(0.05)
            self.socket.sendall(whole[half:])
        elif how == "half":
            self.socket.sendall(whole[:half])
        elif how == "behind":
            self.socket.sendall(b"junk" + whole)
        else:
            self.socket.sendall(whole)

    def junk(self, count):
        self.socket.sendall(b"j" * int(count))
        # What is sent next is to begin a segment.
        time.sleep(0.05)

    def secure(self, name):
        self.socket = TRUSTING.wrap_socket(self.socket, server_hostname=None if name == "-" else name)

    def get(self, url):
        urllib.request.urlopen(url, timeout=5, context=TRUSTING if url.startswith("https") else None).read()

    def together(self, *names):
        async def one(name):
            _, writer = await asyncio.open_connection(name, 7)
            writer.write(b"hello")
            await writer.drain()
            writer.close()

        async def every():
            await asyncio.gather(*map(one, names))

        asyncio.run(every())

    def thread(self, *step):
        thread = threading.Thread(target=self.steps, args=([step],))
        thread.start()
        thread.join()

    def hold(self):
        print("held", flush=True)
        sys.stdin.read()


steps = [[]]
for word in sys.argv[1:]:
    if word == "/":
        steps.append([])
    else:
        steps[-1].append(word)
App().steps(steps)
