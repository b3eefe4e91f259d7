#!/bin/sh
# Makes what smokescreen needs to know its clients by their certificates: an authority, the proxy's certificate, one for the
# client `web`, and an empty list of revoked ones. Usage: certificates.sh FOLDER [NAME OF THE PROXY'S HOST]
#
# To revoke: openssl ca -config ca.conf -revoke web.pem && openssl ca -config ca.conf -gencrl -out clients.crl, then SIGHUP.
set -eu
mkdir -p "$1" && cd "$1"
host=${2:-localhost}
umask 077

cat > ca.conf <<'CONF'
[ca]
default_ca = this
[this]
database = index.txt
crlnumber = crlnumber
default_md = sha256
default_crl_days = 30
certificate = ca.pem
private_key = ca.key
CONF
: > index.txt
echo 01 > crlnumber

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }

key ca.key
openssl req -x509 -new -key ca.key -days 3650 -subj "/CN=smokescreen clients" -out ca.pem \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign

# NAME SUBJECT EXTENSIONS
issue() {
    key "$1.key"
    openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
    printf '%s\n' "$3" > "$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 -extfile "$1.ext" -out "$1.pem" 2>/dev/null
    rm "$1.csr" "$1.ext"
}

issue server "/CN=$host" "subjectAltName=DNS:$host
extendedKeyUsage=serverAuth"
# The file that the proxy reads: certificate and key.
cat server.pem server.key > server-bundle.pem
issue web "/OU=frontend/CN=web" "subjectAltName=URI:spiffe://example.org/web
extendedKeyUsage=clientAuth"
openssl ca -config ca.conf -gencrl -out clients.crl 2>/dev/null
