#!/usr/bin/env bash
# Prints the curl session of README.md: real commands, real output. Makes network namespaces of its own, in which a
# web server has a public address, so that nothing leaves the machine.
#
#     cargo build --release && tests/readme-session.sh [path to the binary]
set -euo pipefail

binary=$(realpath "${1:-$(dirname "$0")/../target/release/smokescreen}")
if [ "${SESSION_INSIDE:-}" != yes ]; then
    SESSION_INSIDE=yes exec unshare -Urnm -- "$0" "$binary"
fi

folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$folder"' EXIT

ip link set lo up
ip addr add 44.1.2.3/32 dev lo
printf '127.0.0.1 localhost\n44.1.2.3 example.com\n44.1.2.3 intranet.internal\n' >"$folder/hosts"
mount --bind "$folder/hosts" /etc/hosts
mkdir "$folder/site"
echo 'Hello from outside.' >"$folder/site/index.html"

# A web server on the public address: plain, and with TLS.
cat >"$folder/origin.py" <<'PYTHON'
import functools, http.server, ssl, sys, threading
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words): pass
site, key, certificate = sys.argv[1:]
handler = functools.partial(Quiet, directory=site)
plain = http.server.ThreadingHTTPServer(("44.1.2.3", 80), handler)
tls = http.server.ThreadingHTTPServer(("44.1.2.3", 443), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
tls.socket = context.wrap_socket(tls.socket, server_side=True)
threading.Thread(target=plain.serve_forever, daemon=True).start()
tls.serve_forever()
PYTHON
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=example.com \
    -addext subjectAltName=DNS:example.com -keyout "$folder/key.pem" -out "$folder/certificate.pem" 2>/dev/null
python3 "$folder/origin.py" "$folder/site" "$folder/key.pem" "$folder/certificate.pem" &
PROXY_PASSWORD=secret "$binary" 2>"$folder/log" &

wait_for() {
    for _ in $(seq 200); do
        if (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; then return; fi
        sleep 0.05
    done
    echo "nothing listens on $1:$2" >&2
    cat "$folder/log" >&2
    exit 1
}
wait_for 44.1.2.3 443
wait_for 127.0.0.1 4750

export CURL_CA_BUNDLE=$folder/certificate.pem
unset http_proxy https_proxy no_proxy NO_PROXY
show() {
    printf '$ %s\n' "$*"
    "$@" 2>&1 || true
}
show curl -sS -x any:secret@localhost:4750 http://example.com/
show curl -sS -x any:secret@localhost:4750 https://example.com/
show curl -sS -x any:secret@localhost:4750 http://169.254.169.254/latest/meta-data/
show curl -sS -x any:secret@localhost:4750 http://intranet.internal/
show curl -sS -x any:secret@localhost:4750 https://localhost/
show curl -sS -x localhost:4750 http://example.com/
