#!/bin/sh
# The apt of the client matrix: fetches a package from a repository through a proxy and shows what it says of itself.
#
#     apt.sh PROXY URL CERTIFICATE FOLDER
set -eu
proxy=$1 url=$2 certificate=$3 folder=$4

cd "$folder"
mkdir -p lists/partial archives/partial
: >status
echo "deb [trusted=yes] $url ./" >sources.list
# Nothing of the machine's own settings, nor of its hooks.
cat >apt.conf <<CONFIGURATION
Dir "$folder";
Dir::State "$folder";
Dir::State::status "$folder/status";
Dir::Cache "$folder";
Dir::Etc "$folder";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "$folder/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Bin::methods "/usr/lib/apt/methods";
APT::Sandbox::User "root";
Acquire::Retries "0";
Acquire::http::Proxy "$proxy";
Acquire::https::Proxy "$proxy";
Acquire::https::CAInfo "$certificate";
CONFIGURATION
export APT_CONFIG="$folder/apt.conf"
apt-get -q update
apt-get -q download hello-outside
dpkg-deb --field hello-outside_*.deb Description
