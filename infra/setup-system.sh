#!/usr/bin/env bash
# Installs the system packages that are missing: Java 17 with its compiler, Maven, Mosquitto with its clients, Node.js with
# npm (the tests let programs in Java and JavaScript speak to Mailiu), Prometheus (its promtool tests our alert rules; it
# is not started), Python's venv; Pango and Chinese fonts for printed reports and forms.
# Where apt may not be used, it says in one line what to install.
set -euo pipefail

missing=()
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "Mailiu needs Python 3.11 or newer; $("$python" --version 2>&1) found (choose another by PYTHON=…)" >&2
  exit 1
}
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
java_major=$(java -version 2>&1 | sed -nE 's/.*version "([0-9]+).*/\1/p' | head -n 1)
[ "${java_major:-0}" -ge 17 ] && command -v javac >/dev/null || missing+=(openjdk-17-jdk-headless)
command -v mvn >/dev/null || missing+=(maven)
PATH="$PATH:/usr/sbin" command -v mosquitto >/dev/null || missing+=(mosquitto)
command -v mosquitto_pub >/dev/null || missing+=(mosquitto-clients)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
command -v promtool >/dev/null || missing+=(prometheus)
find_library='import ctypes.util, sys; sys.exit(not ctypes.util.find_library(sys.argv[1]))'
for each in pango-1.0:libpango-1.0-0 pangoft2-1.0:libpangoft2-1.0-0 harfbuzz-subset:libharfbuzz-subset0; do
  "$python" -c "$find_library" "${each%%:*}" || missing+=("${each#*:}")
done
[ -n "$(find /usr/share/fonts -name 'NotoSansCJK*' -print -quit 2>/dev/null)" ] || missing+=(fonts-noto-cjk)
[ "${#missing[@]}" -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n); fi
if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
  echo "Please install first: sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
# Newer distributions carry a newer Java only.
if [[ " ${missing[*]} " == *" openjdk-17-jdk-headless "* ]]; then
  "${as_root[@]}" apt-get update -qq
  apt-cache show openjdk-17-jdk-headless >/dev/null 2>&1 ||
    missing=("${missing[@]/openjdk-17-jdk-headless/default-jdk-headless}")
fi
echo "installing ${missing[*]}"
# A broker or a Prometheus of the distribution's must not start, on our port: policy-rc.d is Debian's switch for that.
guard=/usr/sbin/policy-rc.d
if [ ! -e "$guard" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$guard" >/dev/null
  "${as_root[@]}" chmod +x "$guard"
  trap '"${as_root[@]}" rm -f "$guard"' EXIT
fi
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
