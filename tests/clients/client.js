// The Node clients of the client matrix: fetches URL through PROXY and says what came.
//
//     node client.js LIBRARY versions
//     node client.js LIBRARY PROXY URL CERTIFICATE
//
// PROXY has user and password in it. The modules are found in the folder that NODE_PATH names.
"use strict";
const fs = require("fs");

const clients = {
  async undici(proxy, url, ca) {
    const { fetch, ProxyAgent } = require("undici");
    const { username, password, origin } = new URL(proxy);
    const token = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64");
    const dispatcher = new ProxyAgent({ uri: origin, token: `Basic ${token}`, requestTls: { ca } });
    const reply = await fetch(url, { dispatcher });
    return [reply.status, await reply.text()];
  },
  async axios(proxy, url, ca) {
    const axios = require("axios");
    const { username, password, hostname, port } = new URL(proxy);
    const auth = { username: decodeURIComponent(username), password: decodeURIComponent(password) };
    const settings = { proxy: { protocol: "http", host: hostname, port, auth }, validateStatus: null };
    if (url.startsWith("https:")) settings.httpsAgent = new (require("https").Agent)({ ca });
    const reply = await axios.get(url, settings);
    return [reply.status, reply.data];
  },
  /// Node's own https over a tunnel.
  "https-proxy-agent"(proxy, url, ca) {
    const { HttpsProxyAgent } = require("https-proxy-agent");
    return new Promise((resolve, reject) => {
      const request = require("https").get(url, { agent: new HttpsProxyAgent(proxy), ca }, async (reply) => {
        const parts = await reply.toArray();
        resolve([reply.statusCode, reply.statusMessage, Buffer.concat(parts).toString()]);
      });
      request.on("error", reject);
    });
  },
  ws(proxy, url, ca) {
    const WebSocket = require("ws");
    const { HttpsProxyAgent } = require("https-proxy-agent");
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, { agent: new HttpsProxyAgent(proxy), ca });
      socket.on("open", () => socket.send("hello from outside"));
      socket.on("message", (message) => resolve([200, message.toString()]));
      socket.on("unexpected-response", (_, reply) => resolve([reply.statusCode, reply.statusMessage]));
      socket.on("error", reject);
    });
  },
};

/// An error and what caused it.
const words = (error) => (error.cause ? `${error.message}: ${words(error.cause)}` : error.message);

async function main([library, ...rest]) {
  if (rest[0] === "versions") {
    const modules = library === "ws" ? ["ws", "https-proxy-agent"] : [library];
    const version = (name) => JSON.parse(fs.readFileSync(`${process.env.NODE_PATH}/${name}/package.json`)).version;
    return console.log(modules.map((name, at) => (at ? `${name} ${version(name)}` : version(name))).join(", "), `(Node ${process.versions.node})`);
  }
  const [proxy, url, certificate] = rest;
  try {
    console.log(...(await clients[library](proxy, url, fs.readFileSync(certificate))));
  } catch (error) {
    console.log(`${error.constructor.name}: ${words(error)}`);
  }
  process.exit();
}

main(process.argv.slice(2));
