"""Asks the C library for names, in one way or another, and contacts what it is told. Says a line for each step."""

import ctypes
import os
import socket
import sys
import threading

PORT = 80
LIBRARY = ctypes.CDLL(None)


class Host(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("aliases", ctypes.POINTER(ctypes.c_char_p)),
        ("family", ctypes.c_int),
        ("length", ctypes.c_int),
        ("addresses", ctypes.POINTER(ctypes.POINTER(ctypes.c_ubyte * 4))),
    ]


def connect(address):
    """A contact by address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as contact:
        contact.connect((address, PORT))


def ask(name):
    """The first address of a name."""
    return socket.getaddrinfo(name, PORT, type=socket.SOCK_STREAM)[0][4][0]


def host(name, function, *arguments):
    function.restype = ctypes.POINTER(Host)
    found = function(name.encode(), *arguments)
    return socket.inet_ntoa(bytes(found.contents.addresses[0].contents))


def call(names):
    for name in names:
        connect(ask(name))


def older(names):
    """Each in one of the older ways."""
    one, two, three = names
    connect(host(one, LIBRARY.gethostbyname))
    connect(host(two, LIBRARY.gethostbyname2, socket.AF_INET))
    connect(socket.gethostbyname_ex(three)[2][0])


def threads(names, times=1):
    """Each thread asks for one of them, and contacts when all have been told."""
    told = threading.Barrier(len(names))

    def one(name):
        for _ in range(times):
            address = ask(name)
            told.wait()
            connect(address)

    all_of_them = [threading.Thread(target=one, args=[name]) for name in names]
    for thread in all_of_them:
        thread.start()
    for thread in all_of_them:
        thread.join()


def child(names):
    """A parent asks, and so does its child, which contacts."""
    ask(names[0])
    if os.fork() == 0:
        connect(ask(names[1]))
        os._exit(0)
    assert os.wait()[1] == 0


def in_vain(names):
    """Nobody knows the name; then a contact by an address."""
    missing, address = names
    try:
        ask(missing)
        sys.exit("it is known")
    except socket.gaierror:
        pass
    connect(address)


def literal(names):
    """Addresses in text, and a name that is to be none."""
    address, name = names
    ask(address)
    ask("127.1")
    try:
        socket.getaddrinfo(name, PORT, flags=socket.AI_NUMERICHOST)
        sys.exit("it is an address")
    except socket.gaierror:
        pass
    socket.getaddrinfo(None, PORT)
    connect(address)


def many(names):
    """As `threads`, as often as the first word says."""
    threads(names[1:], int(names[0]))


def measure(names):
    """Nanoseconds that a call takes, the median of some."""
    import time

    took = []
    for _ in range(int(names[0])):
        before = time.perf_counter_ns()
        ask(names[1])
        took.append(time.perf_counter_ns() - before)
    print(sorted(took)[len(took) // 2])


globals()[sys.argv[1]](sys.argv[2:])
