"""A server to try it on, which sends back what it is sent: ``python echo.py [PORT]``."""

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, serve


async def echo(connection: ServerConnection) -> None:
    """Until the other side has left."""
    async for message in connection:
        await connection.send(message)


async def main(port: int) -> None:
    """Until it is interrupted."""
    async with serve(echo, "127.0.0.1", port) as server:
        for listening in server.sockets:
            sys.stdout.write(f"listening at 127.0.0.1:{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 8765))
