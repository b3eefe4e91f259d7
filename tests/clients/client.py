"""The Python clients of the client matrix: fetches URL through PROXY and says what came.

    client.py LIBRARY versions
    client.py LIBRARY PROXY URL CERTIFICATE

PROXY has user and password in it. A ws or wss URL is spoken to once and must say the same.
"""

import asyncio
import importlib
import ssl
import sys


def with_requests(proxy, url, certificate):
    import requests

    reply = requests.get(url, proxies={"http": proxy, "https": proxy}, verify=certificate, timeout=50)
    return reply.status_code, reply.text


def with_httpx(proxy, url, certificate):
    import httpx

    context = ssl.create_default_context(cafile=certificate)
    with httpx.Client(proxy=proxy, verify=context, timeout=50) as client:
        reply = client.get(url)
        return reply.status_code, reply.text


def with_aiohttp(proxy, url, certificate):
    import aiohttp

    async def fetch():
        context = ssl.create_default_context(cafile=certificate)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=50)) as session:
            if url.startswith("ws"):
                async with session.ws_connect(url, proxy=proxy, ssl=context) as socket:
                    await socket.send_str("hello from outside")
                    return 200, await socket.receive_str()
            async with session.get(url, proxy=proxy, ssl=context) as reply:
                return reply.status, await reply.text()

    return asyncio.run(fetch())


def with_urllib(proxy, url, certificate):
    import urllib.error
    import urllib.request

    context = ssl.create_default_context(cafile=certificate)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({"http": proxy, "https": proxy}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        reply = opener.open(url, timeout=50)
        return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def main():
    library, *words = sys.argv[1:]
    if words == ["versions"]:
        python = sys.version.split()[0]
        print(f"Python {python}" if library == "urllib" else importlib.import_module(library).__version__)
        return
    try:
        status, text = globals()[f"with_{library}"](*words)
        print(status, text)
    except Exception as error:  # What a client says is what the matrix is about.
        print(f"{type(error).__name__}: {error}")


main()
