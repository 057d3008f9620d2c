# shellcheck shell=sh disable=SC2034
# What install.sh, reset.sh and uninstall.sh have in common; read by them, not run.
#
# Paths are those of the installed system, `/etc/pixedge` for example; $root stands before each where it is touched, so that
# an image or a test can be handled that is not the running system.

root=
prefix=/usr/local
yes=no
dry=no

etc=/etc/pixedge
data=/var/lib/pixedge
cache=/var/cache/pixedge
logs=/var/log/pixedge
nginx=/etc/nginx/pixedge
service=pixedge.service
timer=pixedge-cleanup.timer

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
    warn "$*"
    exit 1
}

# The options that all three take; says how many arguments it used in $used, 0 for what it does not know.
option() {
    used=1
    case $1 in
    --root) root=${2:?--root needs a folder} used=2 ;;
    --root=*) root=${1#*=} ;;
    --prefix) prefix=${2:?--prefix needs a folder} used=2 ;;
    --prefix=*) prefix=${1#*=} ;;
    --yes | -y) yes=yes ;;
    --dry-run | -n) dry=yes ;;
    *) used=0 ;;
    esac
}

# After the options: the root as an absolute path without a `/` at its end, empty for the running system.
settle() {
    if [ -n "$root" ]; then
        root=$(cd "$root" && pwd -P) || die "--root: there is no such folder"
        root=${root%/}
    fi
    case $prefix in
    *..*) die "--prefix: $prefix is not a plain path" ;;
    /*) prefix=${prefix%/} ;;
    *) die "--prefix: $prefix is not absolute" ;;
    esac
    manifest=$prefix/share/pixedge/installed
    if [ -z "$root" ] && [ "$(id -u)" -ne 0 ] && [ "$dry" = no ]; then
        die "needs root for this system; run it with sudo, or with --root for another one"
    fi
}

# Does it, or says that it would.
run() {
    if [ "$dry" = yes ]; then
        say "would run: $*"
    else
        "$@"
    fi
}

# Asks until it is answered; --yes answers, and so does nobody at the other end, with no.
agreed() {
    [ "$yes" = yes ] && return 0
    if [ "$dry" = yes ]; then
        say "would ask: $1"
        return 0
    fi
    if [ ! -t 0 ]; then
        warn "$1 Nobody is there to answer; --yes says yes."
        return 1
    fi
    printf '%s [y/N] ' "$1"
    read -r answer || return 1
    case $answer in [yY] | [yY][eE][sS]) return 0 ;; *) return 1 ;; esac
}

# Whether this is the running system, and systemd runs it.
live() { [ -z "$root" ] && [ -d /run/systemd/system ] && command -v systemctl >/dev/null; }

# The number of the service's user or group on the system in $root; nothing if there is none.
number() {
    [ -r "$root/etc/$1" ] || return 0
    sed -n 's/^pixedge:[^:]*:\([0-9]*\):.*/\1/p' "$root/etc/$1" | head -n 1
}

# Runs a program as the service's user where that can be.
as_service() {
    uid=$(number passwd) gid=$(number group)
    if [ "$(id -u)" -eq 0 ] && [ -n "$uid" ] && [ -n "$gid" ]; then
        setpriv --reuid="$uid" --regid="$gid" --clear-groups "$@"
    else
        "$@"
    fi
}

# Runs a program as the service's user with the service's variables, which are read as systemd reads them: nothing in them
# is expanded or run.
as_service_with_environment() {
    (
        if [ -r "$root$etc/environment" ]; then
            while IFS= read -r line || [ -n "$line" ]; do
                case $line in [A-Za-z_]*=*) ;; *) continue ;; esac
                value=${line#*=}
                case $value in
                \"*\") value=${value#\"} value=${value%\"} ;;
                \'*\') value=${value#\'} value=${value%\'} ;;
                esac
                export "${line%%=*}=$value"
            done <"$root$etc/environment"
        fi
        # The folders of another system have other names here.
        if [ -n "$root" ]; then
            export PIXEDGE__DATA_DIR="$root$data" PIXEDGE__CACHE__PATH="$root$cache"
        fi
        as_service "$@"
    )
}

# The data folder that the configuration names, if it is not the usual one: what lies there is not for scripts.
elsewhere() {
    [ -r "$root$etc/config.yaml" ] || return 1
    named=$(sed -n 's/^data_dir:[[:space:]]*//p' "$root$etc/config.yaml" | sed 's/[[:space:]]*#.*$//; s/^["'\'']//; s/["'\'']$//')
    [ -n "$named" ] && [ "${named%/}" != "$data" ]
}

# Removes a folder of ours with all that is in it. Nothing but our own fixed folders comes here.
remove_tree() {
    case $1 in
    "$etc" | "$data" | "$data"/?* | "$cache" | "$cache"/?* | "$logs" | "$nginx") ;;
    *) die "refuses to remove $1" ;;
    esac
    if [ -e "$root$1" ] || [ -L "$root$1" ]; then
        say "removing $root$1"
        run rm -rf -- "$root$1"
    fi
}
