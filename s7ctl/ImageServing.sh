#!/bin/sh
# The utility script of Image Serving, as it is documented: start, stop, restart, restart ps|is|svg, status [ps|is|svg].
# Everything is done by s7ctl, which lies beside this file, also where this file is reached through a symbolic link.
set -u

usage() {
    echo "usage: ${0##*/} {start|stop|restart|status} [COMPONENT ...]" >&2
    exit 2
}

[ $# -ge 1 ] || usage
case $1 in
    start | stop | restart | status) ;;
    *) usage ;;
esac

self=$(readlink -f -- "$0") || exit 1
s7ctl=$(dirname -- "$self")/s7ctl
if [ ! -x "$s7ctl" ]; then
    echo "error: $s7ctl is missing; ${0##*/} belongs beside it" >&2
    exit 1
fi
exec "$s7ctl" "$@"
