#!/bin/sh
# Installs pixedge as a service of systemd, or brings an installation up to this version. Running it again changes nothing
# that is there already; configuration and data are never overwritten.
set -eu
here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=deploy/lib.sh
. "$here/lib.sh"

usage() {
    cat <<'USAGE'
usage: install.sh [--binary FILE] [--nginx] [--timer] [--no-start] [--no-backup] [--prefix DIR] [--root DIR] [--yes] [--dry-run]

  --binary FILE  the program; without it ../pixedge or ../target/release/pixedge
  --nginx        also the configuration for nginx, in /etc/nginx/pixedge
  --timer        have systemd begin the daily clean-up (the server does so by itself)
  --no-start     install only
  --no-backup    do not write a copy of the database before an upgrade
  --prefix DIR   where programs go; /usr/local
  --root DIR     the system to install into, if it is not the running one
  --yes          start without asking
  --dry-run      only say what would be done
USAGE
}

binary='' with_nginx=no with_timer=no start=yes backup=yes
while [ $# -gt 0 ]; do
    option "$@"
    if [ "$used" -gt 0 ]; then
        shift "$used"
        continue
    fi
    case $1 in
    --binary) binary=${2:?--binary needs a file} && shift ;;
    --binary=*) binary=${1#*=} ;;
    --nginx) with_nginx=yes ;;
    --timer) with_timer=yes ;;
    --no-start) start=no ;;
    --no-backup) backup=no ;;
    --help | -h) usage && exit 0 ;;
    *) usage >&2 && die "unknown option $1" ;;
    esac
    shift
done
settle

tree=$(cd "$here/.." && pwd -P)
for candidate in "$tree/pixedge" "$tree/target/release/pixedge"; do
    [ -n "$binary" ] || [ ! -x "$candidate" ] || binary=$candidate
done
[ -n "$binary" ] || die "no program to install: build it with \`cargo build --release\`, or name it with --binary"
if [ ! -f "$binary" ] || [ ! -x "$binary" ]; then
    die "--binary: $binary is no program"
fi
version=$("$binary" --version) || die "$binary does not run on this machine"
if [ ! -f "$tree/config.yaml" ] || [ ! -d "$tree/nginx" ]; then
    die "$tree is no tree of pixedge: config.yaml or nginx/ is missing"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/manifest"

# --- Files: `f` and `d` lines of the manifest are what uninstall.sh removes ------------------------------------------------

# Makes a folder and those above it, and remembers the ones that were not there.
folder() {
    if [ -d "$root$1" ] || grep -qxF "d $1" "$work/manifest"; then
        return 0
    fi
    folder "$(dirname "$1")"
    say "making $root$1"
    printf 'd %s\n' "$1" >>"$work/manifest"
    [ "$dry" = yes ] || mkdir -m 0755 "$root$1"
}

# place MODE FROM TO: in one step, so that a program that runs keeps its file.
place() {
    printf 'f %s\n' "$3" >>"$work/manifest"
    if cmp -s "$2" "$root$3" && [ "$(stat -c %a "$root$3")" = "${1#0}" ]; then
        return 0
    fi
    folder "$(dirname "$3")"
    say "installing $root$3"
    [ "$dry" = no ] || return 0
    install -m "$1" "$2" "$root$3.new"
    mv -f "$root$3.new" "$root$3"
}

# The same with the program's place written into it.
place_with_prefix() {
    sed "s|/usr/local/|$prefix/|g" "$2" >"$work/file"
    place "$1" "$work/file" "$3"
}

# offer MODE FROM TO: what is the operator's, only where it is not there.
offer() {
    if [ -e "$root$3" ]; then
        say "keeping $root$3"
        return 0
    fi
    folder "$(dirname "$3")"
    say "installing $root$3"
    [ "$dry" = no ] || return 0
    sed "s|/usr/local/|$prefix/|g" "$2" >"$work/file"
    install -m "$1" "$work/file" "$root$3"
}

# belongs_to root|service PATH: by numbers, since the names may be those of another system.
belongs_to() {
    uid=$(number passwd) gid=$(number group)
    if [ "$dry" = yes ] || [ "$(id -u)" -ne 0 ] || [ -z "$uid" ] || [ -z "$gid" ]; then
        return 0
    fi
    [ "$1" = service ] || uid=0
    chown "$uid:$gid" "$root$2"
}

own_folder() {
    if [ ! -d "$root$1" ]; then
        folder "$(dirname "$1")"
        say "making $root$1"
        [ "$dry" = yes ] || mkdir -m 0750 "$root$1"
    fi
    belongs_to "$2" "$1"
}

# --- An upgrade is undone by the old program and the copy of the database ----------------------------------------------------

installed=$root$prefix/bin/pixedge
config=$root$etc/config.yaml
if [ "$backup" = yes ] && [ -x "$installed" ] && [ -r "$config" ] && ! cmp -s "$binary" "$installed"; then
    copy=$data/backups/before-upgrade-$(date +%Y%m%d-%H%M%S).db
    say "copying the database to $root$copy"
    if [ "$dry" = no ]; then
        own_folder "$data/backups" service
        as_service_with_environment "$installed" backup "$root$copy" --config "$config" >"$work/backup" 2>&1 || {
            cat "$work/backup" >&2
            die "the database could not be copied, and nothing else was done; --no-backup goes on without a copy"
        }
    fi
fi

# --- The user ----------------------------------------------------------------------------------------------------------------

if [ -z "$(number passwd)" ]; then
    if [ "$(id -u)" -ne 0 ]; then
        [ -z "$root" ] || say "not root: the user pixedge is not made in $root"
    elif command -v systemd-sysusers >/dev/null; then
        say "making the user pixedge"
        run systemd-sysusers --root="$root/" --inline "u pixedge - \"pixedge image server\" $data"
    else
        say "making the user pixedge"
        run useradd --root "$root/" --system --user-group --no-create-home --home-dir "$data" --shell /usr/sbin/nologin pixedge
    fi
fi

# --- The program and what belongs to it ------------------------------------------------------------------------------------

was=
[ ! -x "$installed" ] || was=$("$installed" --version 2>/dev/null || :)
place 0755 "$binary" "$prefix/bin/pixedge"
"$binary" man --into "$work" >/dev/null
for page in "$work"/*.1; do
    place 0644 "$page" "$prefix/share/man/man1/${page##*/}"
done
for shell in bash zsh fish; do
    "$binary" completions "$shell" >"$work/$shell"
done
place 0644 "$work/bash" "$prefix/share/bash-completion/completions/pixedge"
place 0644 "$work/zsh" "$prefix/share/zsh/site-functions/_pixedge"
place 0644 "$work/fish" "$prefix/share/fish/vendor_completions.d/pixedge.fish"
place 0644 "$tree/config.yaml" "$prefix/share/doc/pixedge/config.yaml"
for script in reset.sh uninstall.sh; do
    place 0755 "$here/$script" "$prefix/share/pixedge/$script"
done
sed "s|^prefix=.*|prefix=$prefix|" "$here/lib.sh" >"$work/lib"
place 0644 "$work/lib" "$prefix/share/pixedge/lib.sh"
for unit in "$here"/systemd/*; do
    place_with_prefix 0644 "$unit" "$prefix/lib/systemd/system/${unit##*/}"
done
place 0644 "$here/logrotate/pixedge" /etc/logrotate.d/pixedge

own_folder "$etc" root
# They may hold secrets.
for file in config.yaml environment; do
    offer 0640 "$here/$file" "$etc/$file"
    belongs_to root "$etc/$file"
done
for ours in "$data" "$cache" "$logs"; do
    own_folder "$ours" service
done

if [ "$with_nginx" = yes ]; then
    for file in "$tree"/nginx/*.conf; do
        place 0644 "$file" "$nginx/${file##*/}"
    done
    for file in "$tree"/nginx/site/*.conf; do
        offer 0644 "$file" "$nginx/site/${file##*/}"
    done
    printf 'include pixedge/pixedge.conf;\n' >"$work/include"
    place 0644 "$work/include" /etc/nginx/conf.d/pixedge.conf
    folder /var/cache/nginx
fi

# --- What an older version had and this one has not ------------------------------------------------------------------------

if [ -r "$root$manifest" ]; then
    sed -n 's/^f //p' "$root$manifest" | while IFS= read -r path; do
        case $path in "$nginx"/* | /etc/nginx/*) keep=yes ;; *) keep=no ;; esac
        if [ "$keep" = yes ] || grep -qxF "f $path" "$work/manifest"; then
            printf 'f %s\n' "$path"
        else
            say "removing $root$path, which this version does not have" >&2
            run rm -f -- "$root$path" >&2
        fi
    done >"$work/kept"
    sed -n '/^d /p' "$root$manifest" >>"$work/kept"
    cat "$work/kept" >>"$work/manifest"
fi
LC_ALL=C sort -u "$work/manifest" >"$work/sorted"
place 0644 "$work/sorted" "$manifest"

# --- Start -----------------------------------------------------------------------------------------------------------------

if live; then
    run systemctl daemon-reload
    [ "$with_timer" = no ] || run systemctl enable --now "$timer"
    if systemctl is-active --quiet "$service"; then
        [ "$start" = no ] || run systemctl restart "$service"
    elif [ "$start" = yes ] && agreed "Start pixedge now, and with the system?"; then
        run systemctl enable --now "$service"
    fi
fi

case $was in
'') say "$version is installed." ;;
"$version") say "$version is installed, as before." ;;
*) say "$version is installed, after $was: see docs/upgrading.md." ;;
esac
cat <<NEXT

  configuration    $etc/config.yaml, secrets in $etc/environment
  test it          cd $etc && sudo -u pixedge $prefix/bin/pixedge check
  start, watch     systemctl enable --now pixedge, journalctl -fu pixedge
  first account    the link that the log shows: journalctl -u pixedge | grep /setup/
  remove it        $prefix/share/pixedge/uninstall.sh
NEXT
if [ "$with_nginx" = yes ]; then
    say "  nginx            names and certificate in $nginx/site/server.conf, then nginx -t && systemctl reload nginx"
fi
