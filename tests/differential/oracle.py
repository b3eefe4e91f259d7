"""What Python's own parsers make of inputs: one in hexadecimal on each line of stdin, one answer on each of stdout."""
import http.client
import io
import ipaddress
import socket
import ssl
import sys
import unicodedata
import urllib.parse


def attempt(read):
    """The answer of a parser, or None where it refuses."""
    try:
        return read()
    except Exception:  # whatever it is: it did not read an address
        return None


def numeric(host):
    """What the C library takes for an address without asking anybody."""
    found = attempt(lambda: socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST))
    return found[0][4][0].split("%")[0] if found else None


def host(authority):
    """Every address that somebody reads in an authority, and the host that urllib splits off."""
    split = attempt(lambda: urllib.parse.urlsplit("http://" + authority + "/").hostname)
    before, _, port = authority.rpartition(":")
    spellings = {authority, split or "", "" if "]" in port else before}
    for spelling in list(spellings):
        spellings.add(unicodedata.normalize("NFKC", spelling).lower())
        encoded = attempt(lambda: spelling.encode("idna").decode())
        spellings.add(encoded or "")
    addresses = set()
    for spelling in spellings:
        bare = spelling.rstrip(".").strip("[]")
        addresses.add(attempt(lambda: str(ipaddress.ip_address(bare))))
        addresses.add(attempt(lambda: socket.inet_ntoa(socket.inet_aton(bare))) if bare else None)
        addresses.add(numeric(bare) if bare else None)
    addresses = [address.split("%")[0] for address in addresses if address]
    return (split or "").encode().hex() + ";" + ",".join(sorted(addresses))


def is_global(address):
    return "1" if ipaddress.ip_address(address).is_global else "0"


class Bytes(io.BytesIO):
    """A response that has arrived whole, and stays open so that its place can be asked for."""

    def makefile(self, mode):
        return self

    def close(self):
        pass


def response(message):
    """Where a response ends, and its content."""
    stream = Bytes(message)
    reader = http.client.HTTPResponse(stream, method="GET")
    try:
        reader.begin()
        content = reader.read()
    except http.client.IncompleteRead:
        return "waits"
    except Exception:
        return "refuses"
    return f"{stream.tell()} {content.hex()}"


HOST = b"Host: x\r\n"


def h11_message(message, is_request):
    """Where h11 sees the end of the first message, and its content. A request is given a Host, which h11 demands."""
    import h11

    if is_request:
        reader = h11.Connection(h11.SERVER)
        start = message.find(b"\r\n", 2) + 2
        given = message[:start] + HOST + message[start:]
    else:
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
        reader.send(h11.EndOfMessage())
        given = message
    content = b""
    try:
        reader.receive_data(given)
        ended = False
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA and not is_request and not ended:
                reader.receive_data(b"")
                ended = True
            elif event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed):
                return "waits"
            elif isinstance(event, h11.Data):
                content += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                end = len(message) - len(reader.trailing_data[0])
                return f"{end} {content.hex()}"
    except h11.RemoteProtocolError as error:
        return "waits" if "peer closed connection" in str(error) else "refuses"


def hello(received):
    """The server's name that OpenSSL reads in a TLS hello."""
    seen = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    attempt(lambda: setattr(context, "minimum_version", ssl.TLSVersion.MINIMUM_SUPPORTED))
    attempt(lambda: context.set_ciphers("ALL:@SECLEVEL=0"))
    context.sni_callback = lambda _, name, __: seen.append(name or "")
    into = ssl.MemoryBIO()
    into.write(received)
    attempt(context.wrap_bio(into, ssl.MemoryBIO(), server_side=True).do_handshake)
    return "name:" + seen[0].encode().hex() if seen else "refuses"


def main():
    # A name that is no text is refused by the callback's caller, which tells of it.
    sys.unraisablehook = lambda _: None
    asked = sys.argv[1]
    for line in sys.stdin:
        given = bytes.fromhex(line)
        if asked == "responses":
            print(response(given))
        elif asked == "hello":
            print(hello(given))
        elif asked.startswith("h11"):
            print(h11_message(given, asked == "h11-requests"))
        else:
            print({"hosts": host, "addresses": is_global}[asked](given.decode()))


main()
