#!/bin/sh
# Captures a part of the screen with Flameshot, uploads it and puts its address into the clipboard. Arguments go on to
# `flameshot gui`, as in `--delay 2000`. It needs flameshot and curl; wl-copy, xclip or xsel for the clipboard.
# The key in this file may upload in your name and nothing else. Keep the file to yourself: chmod 700.
set -eu

url={{url}}
key={{key}}

shot=$(mktemp "${TMPDIR:-/tmp}/shot-XXXXXX")
trap 'rm -f "$shot" "$shot.answer" "$shot.header"' EXIT
trap 'exit 1' HUP INT TERM

# A capture that is given up leaves nothing.
flameshot gui --raw "$@" >"$shot" || true
[ -s "$shot" ] || exit 1

# By a file, so that the key stands in no list of processes.
(umask 077 && printf 'Authorization: Bearer %s\n' "$key" >"$shot.header")
status=$(curl --silent --show-error --max-time 120 --output "$shot.answer" --write-out '%{http_code}' \
    --header "@$shot.header" --form "file=@$shot;filename=$(date +%Y-%m-%d_%H-%M-%S).png" "$url")
answer=$(cat "$shot.answer")

tell() {
    if command -v notify-send >/dev/null 2>&1; then notify-send "$1" "$2" || true; fi
}
case $status in
20?)
    if [ -n "${WAYLAND_DISPLAY:-}" ] && command -v wl-copy >/dev/null 2>&1; then
        printf %s "$answer" | wl-copy
    elif [ -n "${DISPLAY:-}" ] && command -v xclip >/dev/null 2>&1; then
        printf %s "$answer" | xclip -selection clipboard
    elif [ -n "${DISPLAY:-}" ] && command -v xsel >/dev/null 2>&1; then
        printf %s "$answer" | xsel --clipboard --input
    fi
    printf '%s\n' "$answer"
    tell 'Uploaded' "$answer"
    ;;
*)
    printf 'not uploaded (%s): %s\n' "$status" "$answer" >&2
    tell 'Not uploaded' "$answer"
    exit 1
    ;;
esac
