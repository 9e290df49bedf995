//! Who a component runs as: look-ups that may ask the network, so never on the core loop.

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use s7proto::status::{SpawnFailure, SpawnStage};
use std::ffi::CString;

/// The user, groups and home of a component.
#[derive(Debug, Clone)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<libc::gid_t>,
    pub name: String,
    pub home: String,
    pub shell: String,
    /// Whether the child has to change anything to become it.
    pub differs: bool,
}

/// Finds `user` and `group` of the registry, or the daemon's own.
pub fn look_up(user: Option<&str>, group: Option<&str>) -> Result<Identity, SpawnFailure> {
    let own = Uid::effective();
    let entry = match user {
        // Without an entry it is still somebody, by number.
        None => User::from_uid(own).map_err(|errno| system_failure(own.to_string(), errno))?,
        Some(user) => Some(find_user(user)?),
    };
    let gid = match (group, &entry) {
        (Some(group), _) => find_group(group)?,
        (None, Some(entry)) if user.is_some() => entry.gid,
        (None, _) => Gid::effective(),
    };
    let uid = entry.as_ref().map_or(own, |entry| entry.uid);
    let differs = uid != own || gid != Gid::effective();
    let groups = match &entry {
        Some(entry) if differs && user.is_some() => supplementary(&entry.name, gid)?,
        _ => vec![gid.as_raw()],
    };
    Ok(Identity {
        uid: uid.as_raw(),
        gid: gid.as_raw(),
        groups,
        name: entry
            .as_ref()
            .map_or_else(|| uid.to_string(), |entry| entry.name.clone()),
        home: entry.as_ref().map_or_else(
            || "/".to_owned(),
            |entry| entry.dir.to_string_lossy().into_owned(),
        ),
        shell: entry
            .as_ref()
            .map(|entry| entry.shell.to_string_lossy().into_owned())
            .filter(|shell| !shell.is_empty())
            .unwrap_or_else(|| "/bin/sh".to_owned()),
        differs,
    })
}

fn find_user(user: &str) -> Result<User, SpawnFailure> {
    let found = match user.parse::<u32>() {
        Ok(uid) => User::from_uid(Uid::from_raw(uid)),
        Err(_) => User::from_name(user),
    };
    match found {
        Ok(Some(entry)) => Ok(entry),
        Ok(None) => Err(not_found(user, "there is no such user")),
        Err(errno) => Err(system_failure(user.to_owned(), errno)),
    }
}

fn find_group(group: &str) -> Result<Gid, SpawnFailure> {
    if let Ok(gid) = group.parse::<u32>() {
        return Ok(Gid::from_raw(gid));
    }
    match Group::from_name(group) {
        Ok(Some(entry)) => Ok(entry.gid),
        Ok(None) => Err(not_found(group, "there is no such group")),
        Err(errno) => Err(system_failure(group.to_owned(), errno)),
    }
}

fn supplementary(user: &str, gid: Gid) -> Result<Vec<libc::gid_t>, SpawnFailure> {
    let name =
        CString::new(user).map_err(|_| failure(user.to_owned(), None, "its name holds a NUL".to_owned()))?;
    getgrouplist(&name, gid)
        .map(|groups| groups.into_iter().map(Gid::as_raw).collect())
        .map_err(|errno| system_failure(user.to_owned(), errno))
}

/// What a look-up says that was kept from looking: a fault of the machine where it lacks something for the moment.
fn system_failure(subject: String, errno: nix::errno::Errno) -> SpawnFailure {
    super::create::io_failure(
        SpawnStage::LookingUpUser,
        subject,
        &std::io::Error::from_raw_os_error(errno as i32),
    )
}

/// Nothing was found. Where the machine has no descriptors left, that is what look-ups say too.
fn not_found(subject: &str, cause: &str) -> SpawnFailure {
    match std::fs::File::open("/dev/null") {
        Err(error) => super::create::io_failure(SpawnStage::LookingUpUser, subject.to_owned(), &error),
        Ok(_) => failure(subject.to_owned(), None, cause.to_owned()),
    }
}

fn failure(subject: String, os_error: Option<i32>, cause: String) -> SpawnFailure {
    SpawnFailure {
        stage: SpawnStage::LookingUpUser,
        subject,
        os_error,
        cause,
        host_fault: false,
    }
}
