"""The origin of the client matrix: files over HTTP and HTTPS, and a WebSocket at /echo on both. Says its two ports.

    origin.py ADDRESS FOLDER CERTIFICATE KEY
"""

import base64
import functools
import hashlib
import http.server
import ssl
import sys
import threading

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Origin(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/echo" and self.headers.get("Upgrade", "").lower() == "websocket":
            self.websocket()
        else:
            super().do_GET()

    def websocket(self):
        """Consents and sends every short frame back (RFC 6455), until one that closes."""
        key = self.headers["Sec-WebSocket-Key"] + GUID
        self.send_response(101, "Switching Protocols")
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.close_connection = True
        while head := self.rfile.read(2):
            length, mask = head[1] & 127, self.rfile.read(4)
            content = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self.rfile.read(length)))
            self.wfile.write(bytes([head[0], length]) + content)
            if head[0] & 15 == 8:
                return

    def log_message(self, *words):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that hangs up is none of the matrix' business."""


address, folder, certificate, key = sys.argv[1:]
handler = functools.partial(Origin, directory=folder)
plain = Server((address, 0), handler)
tls = Server((address, 0), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
tls.socket = context.wrap_socket(tls.socket, server_side=True, do_handshake_on_connect=False)
threading.Thread(target=plain.serve_forever, daemon=True).start()
print(plain.server_port, tls.server_port, flush=True)
tls.serve_forever()
