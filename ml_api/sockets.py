"""What Linux is asked to do with the server's sockets."""

import ctypes
import os
import resource
import socket
import struct

SO_ATTACH_FILTER, BPF_RETURN = 26, 6  # of asm-generic/socket.h and linux/bpf_common.h
SECONDS_UNREAD = 20


def end_where_unread(listener: socket.socket) -> None:
    """Have connections end whose client does not take what it is sent, after SECONDS_UNREAD.

    What is accepted inherits it.
    """
    if listener.family != socket.AF_UNIX:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SECONDS_UNREAD * 1000)


def let_nobody_in(listener: socket.socket) -> None:
    """Have the kernel drop what asks for a new connection; those that it has made are still accepted.

    To close a listening socket resets those that are not accepted yet, with the requests that have come on them. A
    client that is dropped asks again after a second, and is refused.
    """
    if listener.family == socket.AF_UNIX:
        return
    drop = ctypes.create_string_buffer(struct.pack("HBBI", BPF_RETURN, 0, 0, 0))
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(drop)))


def stop_accepting(listener: socket.socket) -> None:
    """Accept no more in this process, while others go on: put a socket in its place to which nobody connects."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.setblocking(False)
        os.dup2(silent.fileno(), listener.fileno())


def allow_files(wanted: int) -> None:
    """Let the process open so many files, connections among them, where that is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
