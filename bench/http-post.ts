/** Sends the bytes of a request on a connection of its own; resolves when it is answered with 200. */
export function post(port: number, request: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        open: (socket) => void socket.write(request),
        data(socket, piece) {
          const text = Buffer.from(piece).toString("latin1", 0, 12);
          if (text === "HTTP/1.1 200") resolve();
          else reject(new Error(`a publish was answered with ${Buffer.from(piece).toString()}`));
          socket.end();
        },
        error: (_, error) => reject(error),
      },
    }).catch(reject);
  });
}
