#!/usr/bin/env bash
# install.sh PREFIX: the real agents that tests/real drives, pinned, into PREFIX and nowhere else. Needs node >= 20, npm.
# What cannot be installed is named on standard error and left out: the tests then say that they do not try it.
set -uo pipefail
[ $# = 1 ] || { echo "usage: $0 PREFIX" >&2; exit 2; }
mkdir -p "$1/bin" || exit 1
prefix=$(cd "$1" && pwd)

agent() { # COMMAND PACKAGE@VERSION [npm options]: PREFIX/bin/COMMAND
  local command=$1 package=$2 dir="$prefix/npm/$1"; shift 2
  [ -x "$prefix/bin/$command" ] && { echo "$command: $package is there"; return; }
  mkdir -p "$dir"
  if timeout 300 npm install --prefix "$dir" --no-audit --no-fund --no-update-notifier --loglevel=error "$@" "$package" >"$dir.log" 2>&1 &&
    [ -e "$dir/node_modules/.bin/$command" ]; then
    ln -sfn "../npm/$command/node_modules/.bin/$command" "$prefix/bin/$command"
    echo "$command: $package installed"
  else
    echo "REAL AGENT NOT INSTALLED: $command ($package): $(grep -m 1 ' failed' "$dir.log" || head -n 1 "$dir.log")" >&2
  fi
}

if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
  echo 'REAL AGENTS NOT INSTALLED: claude, codex, gemini, claude-agent-acp (there is no node or no npm here)' >&2
  exit 0
fi
agent claude @anthropic-ai/claude-code@2.1.330
agent codex @openai/codex@0.169.0
agent gemini @google/gemini-cli@0.61.0
# Without a copy of the agent of its own: it uses the one above.
agent claude-agent-acp @agentclientprotocol/claude-agent-acp@0.100.0 --omit=optional
