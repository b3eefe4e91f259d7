"""What Python's own parsers make of inputs: one in hexadecimal on each line of stdin, one answer on each of stdout."""
import http.client
import io
import ipaddress
import socket
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


def main():
    asked = sys.argv[1]
    for line in sys.stdin:
        given = bytes.fromhex(line)
        if asked == "responses":
            print(response(given))
        else:
            print({"hosts": host, "addresses": is_global}[asked](given.decode()))


main()
