// A bare `ws` loop, the least a Node game server could do: decode every input, and at 20 Hz send
// each room of 50 one buffer of the size given. No state, no session, no journal.
//
//   node bare.cjs PORT BYTES PLAYERS_A_ROOM HZ
"use strict";
const { WebSocketServer } = require("ws");
const { decode } = require("@msgpack/msgpack");
const { unpack } = (() => {
  try {
    return require("msgpackr");
  } catch {
    return { unpack: decode };
  }
})();

const [port, bytes, seats, hz] = process.argv.slice(2).map(Number);
const rooms = [];
const server = new WebSocketServer(
  { host: "127.0.0.1", port, backlog: 4096, perMessageDeflate: false, handleProtocols: () => "holdfast.1" },
  () => console.log("ready"),
);
let inputs = 0;
server.on("connection", (socket) => {
  let room = rooms.at(-1);
  if (!room || room.length >= seats) rooms.push((room = []));
  room.push(socket);
  socket.on("error", () => {});
  socket.on("message", (data) => {
    unpack(data);
    inputs++;
  });
});

// The frame's head is written once a tick and room, as the fastest broadcast loops do.
function frameOf(tick) {
  const head = bytes < 126 ? 2 : 4;
  const frame = Buffer.alloc(head + bytes, 0x2a);
  frame[0] = 0x82;
  if (head === 2) frame[1] = bytes;
  else {
    frame[1] = 126;
    frame.writeUInt16BE(bytes, 2);
  }
  frame.writeUInt32BE(tick, head);
  return frame;
}

let tick = 0;
let due = performance.now();
function loop() {
  tick++;
  for (const room of rooms) {
    const frame = frameOf(tick);
    for (const socket of room) if (socket.readyState === 1) socket._socket.write(frame);
  }
  due += 1000 / hz;
  setTimeout(loop, Math.max(0, due - performance.now()));
}
loop();
process.on("SIGTERM", () => process.exit(0));
