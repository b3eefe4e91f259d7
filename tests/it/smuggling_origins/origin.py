"""Python's http.server as an origin that says, one line of hexadecimal words per request, what it read: method,
target, content. Reads content as leniently as int() and a search for the word "chunked" make it."""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

said = threading.Lock()


class Cut(Exception):
    pass


class Origin(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def exactly(self, length):
        content = self.rfile.read(length)
        if len(content) < length:
            raise Cut
        return content

    def chunks(self):
        content = b""
        while True:
            line = self.rfile.readline()
            if not line.endswith(b"\n"):
                raise Cut
            size = int(line.split(b";")[0], 16)
            if size == 0:
                break
            content += self.exactly(size)
            self.rfile.readline()
        while True:
            line = self.rfile.readline()
            if not line.endswith(b"\n"):
                raise Cut
            if not line.strip():
                return content

    def answer(self):
        try:
            if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
                content = self.chunks()
            else:
                content = self.exactly(int(self.headers.get("Content-Length", "0")))
        except Cut:
            self.close_connection = True
            return
        except ValueError:
            self.complain(f"framing that int() does not read: {self.headers.items()}")
            self.close_connection = True
            return
        target = self.requestline.split(" ")[1].encode("latin-1")
        words = [self.command.encode("latin-1"), target, content]
        with said:
            print("seen", *[word.hex() or "-" for word in words], flush=True)
        body = b"" if self.command == "HEAD" else b"ok"
        self.send_response_only(200)
        self.send_header("X-Seen", b" ".join(words).hex())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def complain(self, what):
        with said:
            print("complaint", what.encode("unicode_escape").hex(), flush=True)

    def log_error(self, form, *words):
        self.complain(form % words)

    def log_message(self, *words):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


Server((sys.argv[1], int(sys.argv[2])), Origin).serve_forever()
