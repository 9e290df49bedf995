//! Why a file that is there can't be executed: execve(2) has one word for many causes, and "No such file" of a file that one sees
//! misleads at 3 a.m.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// So much of a script's first line is read by the kernel (`BINPRM_BUF_SIZE` in its include/uapi/linux/binfmts.h).
const FIRST_LINE: usize = 256;

/// Why `program` can't be executed, where it can be seen and the system's words for `errno` don't tell.
pub(super) fn cause(program: &Path, errno: i32) -> Option<String> {
    // A FIFO would be waited for otherwise.
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(program);
    let metadata = match &file {
        Ok(file) => file.metadata().ok()?,
        Err(_) => std::fs::metadata(program).ok()?,
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
    told(&head, &metadata, errno)
}

fn told(head: &[u8], metadata: &Metadata, errno: i32) -> Option<String> {
    let interpreter = interpreter(head);
    match errno {
        libc::EACCES if metadata.mode() & 0o111 == 0 => {
            Some("nobody may execute it: it lacks the permission (chmod +x)".to_owned())
        }
        libc::EACCES => {
            let interpreter = interpreter?;
            let there = Path::new(std::ffi::OsStr::from_bytes(interpreter)).metadata();
            let may = there.is_ok_and(|there| there.is_file() && there.mode() & 0o111 != 0);
            (!may).then(|| format!("its interpreter {} can't be executed", shown(interpreter)))
        }
        libc::ENOENT => Some(match interpreter {
            Some(name) if name.ends_with(b"\r") => {
                "its first line ends with a carriage return, as on Windows, which the system takes for a part of \
                 its interpreter's name (sed -i 's/\\r$//')"
                    .to_owned()
            }
            Some(name) => format!("its interpreter {} is missing", shown(name)),
            None if is_program(head) => {
                "the loader that it asks for is missing: it was built for another system (C library)".to_owned()
            }
            None => return None,
        }),
        libc::ENOEXEC if is_program(head) => Some("it is a program for another kind of machine".to_owned()),
        libc::ENOEXEC if head.is_empty() && metadata.len() == 0 => Some("it is empty".to_owned()),
        libc::ENOEXEC if !head.is_empty() => Some(
            "it is neither a program nor a script whose first line names its interpreter (#!/bin/sh)".to_owned(),
        ),
        _ => None,
    }
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

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
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
        (errno, cause(&path, errno))
    }

    #[test]
    fn what_the_system_says_in_one_word_is_told_apart() {
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
    fn what_is_not_there_or_no_file_needs_no_more_words() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(cause(&folder.path().join("nothing"), libc::ENOENT), None);
        assert_eq!(
            cause(folder.path(), libc::EACCES).as_deref(),
            Some("it is a folder")
        );
        assert_eq!(
            cause(Path::new("/bin/sh"), libc::EIO),
            None,
            "that has to do with something else"
        );
    }
}
