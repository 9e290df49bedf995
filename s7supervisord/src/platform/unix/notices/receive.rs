//! One datagram, and what the kernel says of its sender.

use crate::notification::LONGEST;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `SO_PASSPIDFD` and `SCM_PIDFD` of asm-generic/socket.h and linux/socket.h (Linux 6.5).
const SO_PASSPIDFD: libc::c_int = 76;
const SCM_PIDFD: libc::c_int = 4;
/// Room for all descriptors that one datagram can carry (`SCM_MAX_FD`, 253), the sender's identity and its descriptor: what
/// does not fit is told as a cut, and the kernel closes it.
const CONTROL: usize = 1280;

/// Who has sent a datagram.
#[derive(Debug)]
pub struct Sender {
    /// Its process id; 0 where this process can't see it.
    pub pid: u32,
    /// Its descriptor, where the kernel gives one: it may have ended by now, and the number be somebody else's.
    pub pidfd: Option<OwnedFd>,
}

/// What came.
#[derive(Debug)]
pub struct Received {
    /// Bytes in the buffer.
    pub length: usize,
    /// Nothing of it was cut off.
    pub whole: bool,
    /// Who has sent it.
    pub sender: Option<Sender>,
}

/// The kernel aligns what it writes here as a `cmsghdr`.
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// From now on the kernel says who has sent what comes to `socket`.
///
/// # Errors
/// It doesn't. A kernel that only gives no descriptors of senders is no error.
pub fn identify_senders(socket: BorrowedFd<'_>) -> io::Result<()> {
    switch_on(socket, libc::SO_PASSCRED)?;
    let _ = switch_on(socket, SO_PASSPIDFD);
    Ok(())
}

fn switch_on(socket: BorrowedFd<'_>, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the value is an int, and as long as is said.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if set == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Takes the next datagram, without waiting; `None` where there is none. Descriptors that came with it are closed: nothing here
/// has a use for them, and to the sender of `BARRIER=1` that is the answer.
///
/// # Errors
/// The system's.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8; LONGEST]) -> io::Result<Option<Received>> {
    let mut control = Control([0; CONTROL]);
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: all of its fields are numbers or pointers, for which 0 means "none".
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the message points to buffers of the lengths that are given, which live until the call returns.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
    let Ok(length) = usize::try_from(length) else {
        let error = io::Error::last_os_error();
        return match error.kind() {
            io::ErrorKind::WouldBlock => Ok(None),
            _ => Err(error),
        };
    };
    // SAFETY: the kernel has filled in the message, and its control buffer lives here.
    let sender = unsafe { take_control(&message) };
    Ok(Some(Received {
        length: length.min(buffer.len()),
        whole: message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) == 0,
        sender,
    }))
}

/// Who the sender is; every other descriptor that came is closed.
///
/// # Safety
/// `message` was filled in by recvmsg(2), and its control buffer lives. To be called once: it takes what is in there.
unsafe fn take_control(message: &libc::msghdr) -> Option<Sender> {
    let mut pid = None;
    let mut pidfd = None;
    // SAFETY: the macros stay within the length that the kernel has written, and every part is as long as its header says.
    // Descriptors are this process's own from the call on.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            let data = libc::CMSG_DATA(header);
            let length = ((*header).cmsg_len as usize).saturating_sub(libc::CMSG_LEN(0) as usize);
            match ((*header).cmsg_level, (*header).cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if length >= size_of::<libc::ucred>() => {
                    let who = data.cast::<libc::ucred>().read_unaligned();
                    pid = u32::try_from(who.pid).ok();
                }
                (libc::SOL_SOCKET, libc::SCM_RIGHTS | SCM_PIDFD) => {
                    for index in 0..length / size_of::<libc::c_int>() {
                        let number = data.cast::<libc::c_int>().add(index).read_unaligned();
                        // A sender that the kernel can't give a descriptor of has an error number in its place.
                        let owned = (number >= 0).then(|| OwnedFd::from_raw_fd(number));
                        if (*header).cmsg_type == SCM_PIDFD {
                            pidfd = owned;
                        }
                    }
                }
                _ => {}
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    pid.map(|pid| Sender { pid, pidfd })
}
