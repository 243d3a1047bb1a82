"""The servers of the world, on every address of their namespace, until standard input ends.

The first argument says which: `servers` or `proxies`, and then the file of their certificate and its key; or `cache` and a path.
"""

import re
import socket
import socketserver
import ssl
import struct
import sys
import threading

TCP_FASTOPEN = 23


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Listens on a port over IPv4 and IPv6."""

    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port, handle):
        self.handle = handle
        super().__init__(("::", port), None)

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 16)
        super().server_bind()

    def finish_request(self, request, client_address):
        request.settimeout(20)
        try:
            self.handle(request)
        except (OSError, EOFError):
            # A client that leaves in the middle is what some cases are about.
            pass


def serve(port, handle):
    server = Server(port, handle)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def line(connection):
    """The next line, byte by byte: what follows it is somebody else's."""
    text = b""
    while not text.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            raise EOFError
        text += byte
    return text.strip()


def pages(connection):
    """HTTP, as many requests as come."""
    while True:
        while line(connection):
            pass
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nworld\n")


def encrypted(context, then):
    return lambda connection: then(context.wrap_socket(connection, server_side=True))


def mail(context):
    """SMTP with STARTTLS."""

    def handle(connection):
        connection.sendall(b"220 mail ESMTP\r\n")
        while True:
            word = line(connection).split(b" ")[0].upper()
            if word == b"EHLO":
                connection.sendall(b"250-mail\r\n250 STARTTLS\r\n")
            elif word == b"STARTTLS":
                connection.sendall(b"220 go ahead\r\n")
                connection = context.wrap_socket(connection, server_side=True)
            else:
                connection.sendall(b"221 bye\r\n")
                return

    return handle


def echo(connection):
    """Says a byte to what it hears first, and hears the rest."""
    if connection.recv(65536):
        connection.sendall(b".")
        while connection.recv(65536):
            pass


def echo_datagrams(port):
    """Answers each datagram from the address that it was sent to."""
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    server.bind(("::", port))

    def run():
        while True:
            data, ancillary, _, client = server.recvmsg(65536, 256)
            info = [each for each in ancillary if each[1] == socket.IPV6_PKTINFO]
            info = [(level, kind, value[:16] + bytes(4)) for level, kind, value in info]
            server.sendmsg([data[:1]], info, 0, client)

    threading.Thread(target=run, daemon=True).start()


def joined(one, other):
    """Passes bytes on both ways until one side ends."""

    def pass_on(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    back = threading.Thread(target=pass_on, args=(other, one), daemon=True)
    back.start()
    pass_on(one, other)
    back.join()


def tunnel(connection):
    """An HTTP proxy: CONNECT, and GET of a whole address."""
    method, target, _ = line(connection).split(b" ")
    while line(connection):
        pass
    if method == b"CONNECT":
        host, port = target.decode().rsplit(":", 1)
        with socket.create_connection((host.strip("[]"), int(port)), 5) as upstream:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            joined(connection, upstream)
    else:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nproxy\n")


def exactly(connection, count):
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def socks(connection):
    """SOCKS 5 without a password."""
    exactly(connection, exactly(connection, 2)[1])
    connection.sendall(b"\5\0")
    kind = exactly(connection, 4)[3]
    if kind == 3:
        host = exactly(connection, exactly(connection, 1)[0]).decode()
    else:
        family, length = {1: (socket.AF_INET, 4), 4: (socket.AF_INET6, 16)}[kind]
        host = socket.inet_ntop(family, exactly(connection, length))
    port = struct.unpack(">H", exactly(connection, 2))[0]
    with socket.create_connection((host, port), 5) as upstream:
        connection.sendall(b"\5\0\0\1" + bytes(6))
        joined(connection, upstream)


def answer(query, number, question, address):
    """An answer of one A record, whose number and question need not be those of the query."""
    header = struct.pack(">HHHHHH", number, 0x8180, 1, 1, 0, 0)
    record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(address)
    return header + question + record


def labels(name):
    return b"".join(bytes([len(label)]) + label for label in name.split(b".")) + b"\0"


def asked(query):
    """The name that a query asks for, and its question."""
    at, name = 12, []
    while query[at]:
        name.append(query[at + 1 : at + 1 + query[at]])
        at += 1 + query[at]
    return b".".join(name).lower(), query[12 : at + 5]


def address_of(name):
    """The address that a label `n17` stands for."""
    return "203.0.113." + re.search(rb"\bn(\d+)\b", name)[1].decode()


def liar(address):
    """A name server whose first answers are to other questions; for names in `false` they are all it says."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))
    elsewhere = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    elsewhere.bind((address, 5300))

    def run():
        while True:
            query, client = server.recvfrom(4096)
            name, question = asked(query)
            number = struct.unpack(">H", query[:2])[0]
            evil = labels(b"evil.example") + question[-4:]
            place = address_of(name)
            server.sendto(answer(query, number ^ 1, question, place), client)
            server.sendto(answer(query, number, evil, place), client)
            elsewhere.sendto(answer(query, number, evil, place), client)
            elsewhere.sendto(answer(query, number, question, place), client)
            if b"false" not in name:
                server.sendto(answer(query, number, question, place), client)

    threading.Thread(target=run, daemon=True).start()


def responder(interface):
    """Multicast DNS: names below `local`."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("", 5353))
    group = socket.inet_aton("224.0.0.251")
    here = struct.pack("@4s4si", group, bytes(4), socket.if_nametoindex(interface))
    server.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, here)

    def run():
        while True:
            query, client = server.recvfrom(4096)
            name, question = asked(query)
            number = struct.unpack(">H", query[:2])[0]
            server.sendto(answer(query, number, question, address_of(name)), client)

    threading.Thread(target=run, daemon=True).start()


def cache(path):
    """Looks names up for others, by the protocol of glibc's nscd, of which it knows nothing but addresses of hosts."""
    version, get_addresses = 2, 14
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(path)
    server.listen(64)

    def handle(connection):
        _, kind, length = struct.unpack("@iii", exactly(connection, 12))
        name = exactly(connection, length).rstrip(b"\0")
        # Anything else it does not serve, and whoever asks does without.
        if kind != get_addresses:
            return
        found = socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)
        addresses = [socket.inet_pton(each[0], each[4][0]) for each in found]
        families = bytes(each[0] for each in found)
        body = b"".join(addresses)
        header = struct.pack("@iiiiii", version, 1, len(found), len(body), len(name) + 1, 0)
        connection.sendall(header + body + families + name + b"\0")

    def run():
        while True:
            connection, _ = server.accept()
            with connection:
                try:
                    handle(connection)
                except (OSError, EOFError):
                    pass

    threading.Thread(target=run, daemon=True).start()


def main():
    kind, path = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if kind != "cache":
        context.load_cert_chain(path)
    if kind == "servers":
        serve(80, pages)
        serve(443, encrypted(context, pages))
        serve(25, mail(context))
        serve(7, echo)
        echo_datagrams(7)
        liar("192.0.2.66")
        responder("s0")
    elif kind == "cache":
        cache(path)
    else:
        serve(3128, tunnel)
        serve(3129, encrypted(context, tunnel))
        serve(1080, socks)
    print("ready", flush=True)
    sys.stdin.read()


main()
