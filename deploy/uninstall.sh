#!/bin/sh
# Removes what install.sh installed. Configuration, pictures, database and logs stay unless --purge says so.
set -eu
here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=deploy/lib.sh
. "$here/lib.sh"

usage() {
    cat <<'USAGE'
usage: uninstall.sh [--purge] [--prefix DIR] [--root DIR] [--yes] [--dry-run]

  --purge        also configuration, database, pictures, backups, logs, and the user pixedge
  --prefix DIR   as it was installed
  --root DIR     the system to remove it from, if it is not the running one
  --yes          do not ask
  --dry-run      only say what would be done
USAGE
}

purge=no failed=0
while [ $# -gt 0 ]; do
    option "$@"
    if [ "$used" -gt 0 ]; then
        shift "$used"
        continue
    fi
    case $1 in
    --purge) purge=yes ;;
    --help | -h) usage && exit 0 ;;
    *) usage >&2 && die "unknown option $1" ;;
    esac
    shift
done
settle

if [ ! -r "$root$manifest" ]; then
    say "pixedge is not installed in ${root:-this system} ($root$manifest is missing)."
    [ "$purge" = yes ] || exit 0
else
    agreed "Remove pixedge from ${root:-this system}? Configuration and data stay." ||
        die "nothing was removed"
    if live; then
        run systemctl disable --now "$service" "$timer" || warn "the service could not be stopped"
    fi
    # The list goes with its folder, so it is read first.
    list=$(mktemp)
    trap 'rm -f "$list"' EXIT
    LC_ALL=C sort -r "$root$manifest" >"$list"
    sed -n 's/^f //p' "$list" | while IFS= read -r path; do
        case $path in
        *..*) die "$root$manifest names $path, which install.sh never wrote" ;;
        /*) ;;
        *) die "$root$manifest names $path, which install.sh never wrote" ;;
        esac
        if [ -e "$root$path" ] || [ -L "$root$path" ]; then
            say "removing $root$path"
            run rm -f -- "$root$path"
        fi
    done
    # Results are made again by whoever asks.
    remove_tree "$cache"
    run rm -f -- "$root$manifest"
    if live; then
        run systemctl daemon-reload
    fi
fi

if [ "$purge" = yes ]; then
    if elsewhere; then
        warn "data_dir is $named, which no script removes"
    fi
    if agreed "Delete configuration, database, ALL PICTURES and backups in $root$etc, $root$data and $root$logs for good?"; then
        for ours in "$etc" "$data" "$cache" "$logs" "$nginx"; do
            remove_tree "$ours"
        done
        if [ "$(id -u)" -eq 0 ] && [ -n "$(number passwd)" ]; then
            say "removing the user pixedge"
            if [ -n "$root" ]; then
                for file in passwd group shadow gshadow; do
                    [ ! -e "$root/etc/$file" ] || run sed -i '/^pixedge:/d' "$root/etc/$file"
                done
            else
                run userdel pixedge
            fi
        fi
    else
        warn "nothing of it was deleted"
        purge=no failed=1
    fi
fi

# Folders that install.sh made, the inner ones first, if nobody else has put something there.
if [ -n "${list:-}" ]; then
    sed -n 's/^d //p' "$list" | while IFS= read -r path; do
        case $path in
        *..*) ;;
        /?*) [ ! -d "$root$path" ] || run rmdir --ignore-fail-on-non-empty -- "$root$path" ;;
        esac
    done
fi

if [ "$purge" = no ]; then
    for left in "$etc" "$data" "$logs" "$nginx"; do
        [ ! -e "$root$left" ] || say "left as it is: $root$left"
    done
fi
exit "$failed"
