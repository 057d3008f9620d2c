#!/bin/sh
# Begins anew: removes what the cache holds, or everything that was uploaded. The configuration stays.
set -eu
here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=deploy/lib.sh
. "$here/lib.sh"

usage() {
    cat <<'USAGE'
usage: reset.sh --cache | --data [--no-backup] [--prefix DIR] [--root DIR] [--yes] [--dry-run]

  --cache        the results on disk; they are made again
  --data         accounts, albums and all pictures: the SQLite database and the objects in /var/lib/pixedge, and the cache.
                 A copy of the database is written first; secret.key and backups stay
  --no-backup    without that copy
  --prefix DIR   as it was installed
  --root DIR     the system that is meant, if it is not the running one
  --yes          do not ask
  --dry-run      only say what would be done
USAGE
}

what='' backup=yes
while [ $# -gt 0 ]; do
    option "$@"
    if [ "$used" -gt 0 ]; then
        shift "$used"
        continue
    fi
    case $1 in
    --cache) what=cache ;;
    --data) what=data ;;
    --no-backup) backup=no ;;
    --help | -h) usage && exit 0 ;;
    *) usage >&2 && die "unknown option $1" ;;
    esac
    shift
done
settle
[ -n "$what" ] || { usage >&2 && die "say what is to go: --cache or --data"; }

installed=$root$prefix/bin/pixedge
config=$root$etc/config.yaml
if [ "$what" = data ]; then
    if elsewhere; then
        die "data_dir is $named; this script empties $data and nothing else"
    fi
    if grep -Eiqs '^[^#]*(postgres(ql)?|mysql|mariadb)://' "$config" "$root$etc/environment"; then
        die "the database is on a server, and pictures without their rows are lost: make it a new, empty database there, \
and remove the objects of the old one yourself"
    fi
    question="Delete all accounts and ALL PICTURES in $root$data for good?"
else
    question="Delete all results in $root$cache? They are made again."
fi
agreed "$question" || die "nothing was removed"

running=no
if live && systemctl is-active --quiet "$service"; then
    running=yes
    run systemctl stop "$service"
fi

if [ "$what" = data ]; then
    if [ "$backup" = yes ] && [ -e "$root$data/pixedge.db" ]; then
        copy=$data/backups/before-reset-$(date +%Y%m%d-%H%M%S).db
        say "copying the database to $root$copy"
        if [ "$dry" = no ]; then
            as_service mkdir -p -m 0750 "$root$data/backups"
            as_service_with_environment "$installed" backup "$root$copy" --config "$config" >/dev/null ||
                die "the database could not be copied, and nothing was removed; --no-backup goes on without a copy"
        fi
    fi
    for path in "$root$data"/* "$root$data"/.[!.]*; do
        case ${path##*/} in
        secret.key | backups) ;;
        *) [ ! -e "$path" ] || remove_tree "${path#"$root"}" ;;
        esac
    done
fi
for path in "$root$cache"/* "$root$cache"/.[!.]*; do
    [ ! -e "$path" ] || remove_tree "${path#"$root"}"
done

if [ "$running" = yes ]; then
    run systemctl start "$service"
fi
say "Done."
