// Node's http as an origin that says, one line of hexadecimal words per request, what it read: method, target,
// content. Its parser is set to be as lenient as it can be.
"use strict";
const http = require("http");

const [address, port] = process.argv.slice(2);
const hex = (words) => words.map((word) => word.toString("hex") || "-").join(" ");

function answer(request, response) {
  const content = [];
  request.on("data", (chunk) => content.push(chunk));
  request.on("error", () => {});
  request.on("end", () => {
    if (!request.complete) return;
    const words = [Buffer.from(request.method, "latin1"), Buffer.from(request.url, "latin1"), Buffer.concat(content)];
    process.stdout.write(`seen ${hex(words)}\n`);
    const space = Buffer.from(" ");
    response.setHeader("X-Seen", Buffer.concat([words[0], space, words[1], space, words[2]]).toString("hex"));
    response.setHeader("Content-Length", request.method === "HEAD" ? 0 : 2);
    // Node goes silent when a malformed request follows on a connection that it was asked to upgrade and did not.
    if (request.headers.upgrade) response.setHeader("Connection", "close");
    response.end(request.method === "HEAD" ? "" : "ok");
  });
}

const options = { insecureHTTPParser: true, requireHostHeader: false, keepAliveTimeout: 600000 };
const server = http.createServer(options, answer);
// An error stays with its connection, whatever comes after: only the first is about what was read.
const failed = new WeakSet();
server.on("clientError", (error, socket) => {
  if (failed.has(socket)) return;
  failed.add(socket);
  if (String(error.code).startsWith("HPE_") && error.code !== "HPE_INVALID_EOF_STATE") {
    const raw = error.rawPacket ? error.rawPacket.toString("latin1") : "";
    process.stdout.write(`complaint ${Buffer.from(`${error.code} ${error.reason}: ${raw}`).toString("hex")}\n`);
  }
  if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
});
server.listen(Number(port), address, 512);
