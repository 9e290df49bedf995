//! The init script for a Linux without systemd (Linux Standard Base, "Init Script Actions").

use super::Daemon;

/// Where it lies.
pub const FILE: &str = "etc/init.d/imageserving";
/// Its name, as the tools that link it into the runlevels take it.
pub const NAME: &str = "imageserving";

/// The script, with holes for the two command lines and the runtime folder.
const TEXT: &str = r#"#!/bin/sh
# Scene7 Image Serving as an init script, written by `s7supervisord service install`; a changed one is not overwritten.
### BEGIN INIT INFO
# Provides:          imageserving
# Required-Start:    $local_fs $remote_fs $network
# Required-Stop:     $local_fs $remote_fs $network
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: Scene7 Image Serving
### END INIT INFO
# Nobody brings the supervisor back here if it crashes: its components run on, and `start` goes on with them.

program=@PROGRAM@
runtime_dir=@RUNTIME@

# Of the shell that calls this; a service listens where it was installed to.
unset S7_SOCKET

prepare() { @PREPARE@; }
run() { exec setsid @RUN@ </dev/null >/dev/null 2>&1; }
# Everything in the runtime folder is touched as the supervisor's user, who can put links and other numbers there.
as_user() { @AS_USER@"$@"; }
reap() { [ ! -d "$runtime_dir" ] || as_user @REAP@; }
signal() { as_user sh -c 'kill -s "$1" "$2"' sh "$1" "$2"; }

# Says for `reap` that somebody wants it to end; in no folder of somebody else, and through no link.
mark() {
  [ ! -d "$runtime_dir" ] || as_user sh -c '[ -O "$1" ] || exit 0
    [ -e "$1/stop-requested" ] || (set -C; : >"$1/stop-requested") 2>/dev/null' sh "$runtime_dir"
}

# The pid in the lock file, if it is the supervisor's: it holds that file open. Its program may be another one since an
# upgrade. After a stop in order the lock file names nobody; `reap` sees to that.
pid() {
  pid=$(as_user sh -c '[ -O "$1" ] || exit 1
    pid=$(cat "$1/lock" 2>/dev/null) && [ -n "$pid" ] || exit 1
    for open in "/proc/$pid/fd"/*; do
      if [ "$open" -ef "$1/lock" ]; then echo "$pid"; exit 0; fi
    done
    exit 1' sh "$runtime_dir")
}

start() {
  if pid; then echo "imageserving runs already (pid $pid)"; return 0; fi
  prepare || return 1
  S7_DETACHED=1; export S7_DETACHED
  (run) &
  started=$!
  tries=0
  while [ "$tries" -lt 60 ]; do
    if pid && [ -S @SOCKET@ ]; then echo "imageserving started (pid $pid)"; return 0; fi
    if ! kill -0 "$started" 2>/dev/null && ! pid; then
      wait "$started"
      echo "imageserving ended at once with exit code $?; see its log, or run: $program check" >&2
      return 1
    fi
    sleep 1
    tries=$((tries + 1))
  done
  echo "imageserving was started but does not listen after a minute" >&2
  return 1
}

stop() {
  # What a crash has left is to go, too.
  mark
  if ! pid; then reap; echo "imageserving does not run"; return 0; fi
  asked=$pid
  signal TERM "$asked"
  # It knows itself how long its components may take, and ends for certain.
  while pid && [ "$pid" = "$asked" ]; do sleep 1; done
  reap
  echo "imageserving stopped"
}

case "$1" in
  start) start ;;
  stop) stop ;;
  restart | force-reload) stop && start ;;
  reload) pid && signal HUP "$pid" ;;
  try-restart) if pid; then stop && start; fi ;;
  status)
    if pid; then echo "imageserving runs (pid $pid)"; exit 0; fi
    if [ -s "$runtime_dir/lock" ]; then echo "imageserving has ended without being stopped"; exit 1; fi
    echo "imageserving does not run"
    exit 3
    ;;
  *)
    echo "usage: $0 {start|stop|restart|try-restart|reload|force-reload|status}" >&2
    exit 2
    ;;
esac
"#;

/// The script's text. The daemon's user, if one is named, is taken on by `setpriv` (package util-linux).
#[must_use]
pub fn text(daemon: &Daemon) -> String {
    let line = |words: &[String]| words.iter().map(|text| word(text)).collect::<Vec<_>>().join(" ");
    let (mut prepare, mut as_user) = ("true".to_owned(), String::new());
    if let Some(user) = &daemon.user {
        let (user, folder) = (word(user), word(&daemon.runtime_dir));
        // The folder above belongs to root.
        prepare = format!("install -d -m 0711 -o {user} {folder}");
        as_user = format!("setpriv --reuid {user} --regid \"$(id -g {user})\" --init-groups -- ");
    }
    TEXT.replace("@PROGRAM@", &word(&daemon.program))
        .replace("@RUNTIME@", &word(&daemon.runtime_dir))
        .replace("@SOCKET@", &word(&daemon.socket))
        .replace("@PREPARE@", &prepare)
        .replace("@RUN@", &format!("{as_user}{}", line(&daemon.run())))
        .replace("@AS_USER@", &as_user)
        .replace("@REAP@", &line(&daemon.reap()))
}

/// One word of a shell's command line.
fn word(text: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "/._-+:=,@".contains(char);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::daemon;
    use super::*;

    #[test]
    fn words_mean_themselves_to_a_shell() {
        for (plain, written) in [
            ("/opt/s7", "/opt/s7"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$(reboot)", "'$(reboot)'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(word(plain), written);
        }
    }

    #[test]
    fn the_script_has_the_daemons_command_lines_and_no_hole() {
        let mut daemon = daemon();
        daemon.user = Some("s7".to_owned());
        let text = text(&daemon);
        assert!(!text.replace("$@", "").contains('@'), "{text}");
        let run = "run() { exec setsid setpriv --reuid s7 --regid \"$(id -g s7)\" --init-groups -- '/opt/my \
                   s7/s7supervisord' run --install-folder /srv/is --set SV::PsHeapSize=1g --socket /srv/run/c.sock \
                   </dev/null >/dev/null 2>&1; }";
        assert!(text.lines().any(|line| line == run), "{text}");
    }
}
