//! Why a file that is there can't be executed: execve(2) has one word for many causes, and "No such file" of a file that one sees
//! misleads at 3 a.m.

use rustix::fs::StatVfsMountFlags;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// So much of a script's first line is read by the kernel (`BINPRM_BUF_SIZE` in its include/uapi/linux/binfmts.h).
const FIRST_LINE: usize = 256;

/// What an ELF file says at this place about the machine that it is for, in two bytes (elf(5), `e_machine`).
const MACHINE: std::ops::Range<usize> = 18..20;

/// Why `program` can't be executed, where it can be seen and the system's words for `errno` don't tell. It is looked at with the
/// daemon's rights, `as_other` where another user was to execute it.
pub(super) fn cause(program: &Path, errno: i32, as_other: Option<&str>) -> Option<String> {
    // A FIFO would be waited for otherwise.
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(program);
    let metadata = match &file {
        Ok(file) => file.metadata().ok()?,
        Err(_) => match std::fs::metadata(program) {
            Ok(metadata) => metadata,
            Err(_) => {
                let is_link = program.symlink_metadata().is_ok_and(|about| about.is_symlink());
                return is_link.then(|| "it is a link to what isn't there".to_owned());
            }
        },
    };
    if !metadata.is_file() {
        let what = if metadata.is_dir() {
            "a folder"
        } else {
            "no regular file"
        };
        return Some(format!("it is {what}"));
    }
    let mut head = Vec::new();
    if let Ok(file) = file {
        file.take(FIRST_LINE as u64).read_to_end(&mut head).ok()?;
    }
    match errno {
        libc::EACCES => Some(forbidden(program, &metadata, interpreter(&head), as_other)?),
        libc::ENOENT => missing(&head),
        libc::ENOEXEC => Some(unreadable(&head, metadata.len())),
        _ => None,
    }
}

fn forbidden(
    program: &Path,
    metadata: &Metadata,
    interpreter: Option<&[u8]>,
    as_other: Option<&str>,
) -> Option<String> {
    if metadata.mode() & 0o111 == 0 {
        return Some("nobody may execute it: it lacks the permission (chmod +x)".to_owned());
    }
    let interpreter = interpreter.map(|name| Path::new(OsStr::from_bytes(name)));
    for (what, path) in [("it", Some(program)), ("its interpreter", interpreter)] {
        let mounted = path.and_then(|path| rustix::fs::statvfs(path).ok());
        if mounted.is_some_and(|mounted| mounted.f_flag.contains(StatVfsMountFlags::NOEXEC)) {
            return Some(format!(
                "{what} lies on a file system from which nothing may be executed (noexec)"
            ));
        }
    }
    if let Some(interpreter) = interpreter {
        let there = interpreter.metadata();
        let may = there.is_ok_and(|there| there.is_file() && there.mode() & 0o111 != 0);
        if !may {
            return Some(format!(
                "its interpreter {} can't be executed",
                interpreter.display()
            ));
        }
    }
    as_other.map(|user| format!("the user {user} may not execute it, or not enter one of its folders"))
}

fn missing(head: &[u8]) -> Option<String> {
    match interpreter(head) {
        Some(name) if name.ends_with(b"\r") => Some(
            "its first line ends with a carriage return, as on Windows, which the system takes for a part of its interpreter's \
             name (sed -i 's/\\r$//')"
                .to_owned(),
        ),
        Some(name) => {
            let path = Path::new(OsStr::from_bytes(name));
            Some(match path.exists() {
                false => format!("its interpreter {} is missing", path.display()),
                true => format!("its interpreter {} asks for another one, which is missing", path.display()),
            })
        }
        None if is_program(head) => Some(
            "the loader that it asks for is missing: it was built for another system (C library)".to_owned(),
        ),
        None => None,
    }
}

fn unreadable(head: &[u8], length: u64) -> String {
    let marks: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];
    if is_program(head) {
        // This very program is one for this machine.
        let own = std::fs::File::open("/proc/self/exe").ok().and_then(|file| {
            let mut own = Vec::new();
            file.take(MACHINE.end as u64).read_to_end(&mut own).ok()?;
            Some(own)
        });
        let same =
            own.is_some_and(|own| own.get(4).zip(own.get(MACHINE)) == head.get(4).zip(head.get(MACHINE)));
        if same {
            return "it is a program for this machine, and damaged or not complete".to_owned();
        }
        return "it is a program for another kind of machine".to_owned();
    }
    if length == 0 {
        return "it is empty".to_owned();
    }
    if head.starts_with(b"#!") && !head.contains(&b'\n') {
        return format!(
            "its first line is longer than the system reads ({} bytes)",
            FIRST_LINE - 1
        );
    }
    if marks.iter().any(|mark| head.starts_with(mark)) {
        return "it begins with a byte order mark, so that the system finds no #! there".to_owned();
    }
    "it is neither a program nor a script whose first line names its interpreter (#!/bin/sh)".to_owned()
}

/// What a script's first line names.
fn interpreter(head: &[u8]) -> Option<&[u8]> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    line.split(is_space).find(|word| !word.is_empty())
}

fn is_program(head: &[u8]) -> bool {
    head.starts_with(b"\x7fELF")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    /// What the system says of executing a file with these bytes and this mode, and what is told of it.
    fn of(bytes: &[u8], mode: u32) -> (i32, Option<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        // Of what is no program, the C library has a shell try; the supervisor doesn't.
        let errno = Command::new(&path)
            .output()
            .map_or_else(|error| error.raw_os_error(), |_| None);
        let errno = errno.unwrap_or(libc::ENOEXEC);
        (errno, cause(&path, errno, None))
    }

    #[test]
    fn what_the_system_says_in_one_word_is_told_apart() {
        let mut cut = std::fs::read("/bin/true").unwrap();
        cut.truncate(200);
        let long = [b"#!/".as_slice(), &[b'x'; 300]].concat();
        for (bytes, mode, errno, expected) in [
            (
                &b"#!/nope/sh\necho"[..],
                0o755,
                libc::ENOENT,
                "its interpreter /nope/sh is missing",
            ),
            (
                b"#! /bin/sh\r\necho\r\n",
                0o755,
                libc::ENOENT,
                "its first line ends with a carriage return",
            ),
            (b"#!/bin/sh\necho", 0o644, libc::EACCES, "nobody may execute it"),
            (
                b"#!/etc/passwd -x\necho",
                0o755,
                libc::EACCES,
                "its interpreter /etc/passwd can't be executed",
            ),
            (
                b"echo",
                0o755,
                libc::ENOEXEC,
                "it is neither a program nor a script",
            ),
            (b"", 0o755, libc::ENOEXEC, "it is empty"),
            (
                b"\x7fELF\x01\x01\x01",
                0o755,
                libc::ENOEXEC,
                "it is a program for another kind of machine",
            ),
            (
                &cut,
                0o755,
                libc::ENOEXEC,
                "it is a program for this machine, and damaged",
            ),
            (
                &long,
                0o755,
                libc::ENOEXEC,
                "its first line is longer than the system reads",
            ),
            (
                b"\xef\xbb\xbf#!/bin/sh\n",
                0o755,
                libc::ENOEXEC,
                "it begins with a byte order mark",
            ),
        ] {
            let (seen, told) = of(bytes, mode);
            assert_eq!(seen, errno, "{expected}");
            assert!(
                told.as_deref().is_some_and(|told| told.starts_with(expected)),
                "{told:?}, not {expected}"
            );
        }
    }

    #[test]
    fn what_stands_between_it_and_its_program_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("inner"), "#!/nope/sh\n").unwrap();
        std::fs::write(path("outer"), format!("#!{}\n", path("inner").display())).unwrap();
        for name in ["inner", "outer"] {
            std::fs::set_permissions(path(name), std::fs::Permissions::from_mode(0o700)).unwrap();
        }
        let told = |name: &str, errno, user| cause(&path(name), errno, user).unwrap_or_default();
        let nested = told("outer", libc::ENOENT, None);
        assert!(
            nested.ends_with("inner asks for another one, which is missing"),
            "{nested}"
        );
        std::os::unix::fs::symlink("nowhere", path("link")).unwrap();
        assert_eq!(
            told("link", libc::ENOENT, None),
            "it is a link to what isn't there"
        );
        std::fs::write(path("script"), "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(path("script"), std::fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(cause(&path("script"), libc::EACCES, None), None);
        assert!(
            told("script", libc::EACCES, Some("nobody")).starts_with("the user nobody may not execute it")
        );
    }

    #[test]
    fn what_is_not_there_or_no_file_needs_no_more_words() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(cause(&folder.path().join("nothing"), libc::ENOENT, None), None);
        assert_eq!(
            cause(folder.path(), libc::EACCES, None).as_deref(),
            Some("it is a folder")
        );
        assert_eq!(
            cause(Path::new("/bin/sh"), libc::EIO, None),
            None,
            "that has to do with something else"
        );
    }
}
