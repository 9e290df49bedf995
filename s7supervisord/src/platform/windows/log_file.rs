//! Opening log files: no links, regular files only.
//!
//! Rust's default share mode lets others read, rename and delete a log while it is open.

use crate::output::failure::doing;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::Path;
use windows_sys::Win32::Storage::FileSystem::{BY_HANDLE_FILE_INFORMATION, GetFileInformationByHandle};

/// Opens a link itself instead of what it points to, so that a link is seen and refused.
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

/// Opens or creates `file` to write at positions of one's own. A missing folder is made.
///
/// # Errors
/// The file or its folder can't be opened or made, or it isn't a regular file. The text names the path.
pub fn open_to_place(file: &Path) -> io::Result<File> {
    open(file, OpenOptions::new().read(true).write(true).create(true))
}

/// Opens or creates `file` so that each write goes to its end. A missing folder is made.
///
/// # Errors
/// As with [`open_to_place`].
pub fn open_to_append(file: &Path) -> io::Result<File> {
    open(file, OpenOptions::new().read(true).append(true).create(true))
}

/// Opens an existing `file` to read it.
///
/// # Errors
/// The file can't be opened, or it isn't a regular file. The text names the path.
pub fn open_to_read(file: &Path) -> io::Result<File> {
    checked(file, OpenOptions::new().read(true))
}

/// Whether `path` still names `file`.
#[must_use]
pub fn is_still_named(file: &File, path: &Path) -> bool {
    let named = open_to_read(path).and_then(|named| identity(&named));
    matches!((named, identity(file)), (Ok(named), Ok(own)) if named == own)
}

/// Whether `file` has no name any more.
#[must_use]
pub fn is_deleted(file: &File) -> bool {
    about(file).is_ok_and(|about| about.nNumberOfLinks == 0)
}

/// What tells `file` from others of the same log: the number that its file system gives it.
///
/// # Errors
/// The file can't be asked.
pub fn identity(file: &File) -> io::Result<u64> {
    let about = about(file)?;
    Ok(u64::from(about.nFileIndexHigh) << 32 | u64::from(about.nFileIndexLow))
}

fn about(file: &File) -> io::Result<BY_HANDLE_FILE_INFORMATION> {
    // SAFETY: an all-zero structure is a valid place for the answer, and the handle is open as long as `file` lives.
    unsafe {
        let mut about: BY_HANDLE_FILE_INFORMATION = std::mem::zeroed();
        if GetFileInformationByHandle(file.as_raw_handle(), &raw mut about) == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(about)
    }
}

fn open(file: &Path, options: &mut OpenOptions) -> io::Result<File> {
    if let Some(folder) = file.parent().filter(|folder| *folder != Path::new("")) {
        fs::create_dir_all(folder).map_err(|why| doing(format_args!("making {}", folder.display()), why))?;
    }
    checked(file, options)
}

fn checked(file: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let told = |why| doing(format_args!("opening {}", file.display()), why);
    let open = options
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
        .open(file)
        .map_err(told)?;
    let kind = open.metadata().map_err(told)?.file_type();
    if kind.is_file() {
        return Ok(open);
    }
    let why = if kind.is_symlink() {
        "it is a link"
    } else {
        "it is not a regular file"
    };
    Err(told(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("{why}; remove it or choose another log"),
    )))
}
