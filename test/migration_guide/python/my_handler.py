"""A connection that Erlang has accepted, used with asyncio."""

from __future__ import annotations

import asyncio

# Python: Use fd with asyncio
import socket

import erlang


def handle_fd(fd: int) -> int:
    """Answer what comes in capitals; give its length."""
    sock = socket.socket(fileno=fd)
    sock.setblocking(False)
    return erlang.run(answer(sock))


async def answer(sock: socket.socket) -> int:
    """Answer one message and close."""
    reader, writer = await asyncio.open_connection(sock=sock)
    data = await reader.read(100)
    writer.write(data.upper())
    await writer.drain()
    writer.close()
    return len(data)
